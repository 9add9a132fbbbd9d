#include "engine/rules/registry.hpp"

#include <algorithm>
#include <stdexcept>

namespace convoy::engine {

namespace rules {
#define CONVOY_DECLARE(name) RuleKind name();
CONVOY_AGGREGATION_RULES(CONVOY_DECLARE)
#undef CONVOY_DECLARE
}  // namespace rules

const std::vector<RuleKind>& rule_kinds() {
#define CONVOY_LIST(name) rules::name(),
  static const std::vector<RuleKind> all = {CONVOY_AGGREGATION_RULES(CONVOY_LIST)};
#undef CONVOY_LIST
  return all;
}

namespace {

std::shared_ptr<const Rule> with_defaults(const RuleKind& kind) {
  const base::Value nothing;
  base::Diagnostics none;
  base::TableReader reader(nothing, "", none);
  return kind.read(reader);
}

const std::string meaning = "rule by which updates become the next version";

// `aggregation = "drift"`, the older form.
std::shared_ptr<const Rule> read_name(base::TableReader& table,
                                      const std::vector<std::string>& names, std::size_t usual) {
  const std::size_t chosen =
      table.choice({"aggregation", meaning}, names, table.describes() ? usual : 0);
  if (!table.describes()) {
    table.problems().warning(table.raw("aggregation")->where,
                             table.full("aggregation") +
                                 ": is a table now, in which a rule has its keys: aggregation = "
                                 "{ rule = \"" +
                                 names[chosen] + "\" }");
  }
  return with_defaults(rule_kinds()[chosen]);
}

}  // namespace

std::shared_ptr<const Rule> default_rule() { return with_defaults(rule_kinds().front()); }

AggregationOptions read_aggregation(base::TableReader& table, const std::string& default_name) {
  std::vector<std::string> names;
  for (const RuleKind& kind : rule_kinds()) names.push_back(kind.name);
  const auto found = std::find(names.begin(), names.end(), default_name);
  if (found == names.end()) throw std::logic_error("there is no rule " + default_name);
  const auto usual = static_cast<std::size_t>(found - names.begin());
  AggregationOptions options;
  for (const bool is_name : table.either<std::string>("aggregation")) {
    if (is_name) {
      options.rule = read_name(table, names, usual);
      continue;
    }
    base::TableReader reader = table.table({"aggregation", meaning});
    const base::Key key("rule", "name of the rule (see engine/rules); the rule's own keys need it");
    // The rule's own keys need `rule`: they are read for every kind of schedule, and kinds have
    // different default rules.
    options.rule = reader.has(key.name) ? rule_kinds()[reader.choice(key, names, 0)].read(reader)
                                        : with_defaults(rule_kinds()[usual]);
    reader.describe(key, {base::KeyType::choice, {}, names}, base::Value(names[usual], {}));
    options.norm_bound = reader.number(
        {"norm_bound",
         "an update larger than this many times the median of the others is scaled down to that "
         "size; 0: no limit"},
        base::at_least(0).up_to(1e6), options.norm_bound);
    reader.finish();
  }
  return options;
}

}  // namespace convoy::engine
