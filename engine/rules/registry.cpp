#include "engine/rules/registry.hpp"

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

std::shared_ptr<const Rule> default_rule() {
  const base::Value nothing;
  base::Diagnostics none;
  base::TableReader reader(nothing, "", none);
  return rule_kinds().front().read(reader);
}

namespace {

const std::string meaning = "rule by which updates become the next version";

// The old form `aggregation = "drift"`.
std::shared_ptr<const Rule> read_name(base::TableReader& table,
                                      const std::vector<std::string>& names) {
  const std::size_t chosen = table.choice({"aggregation", meaning}, names, 0);
  if (!table.describes()) {
    table.problems().warning(table.raw("aggregation")->where,
                             table.full("aggregation") +
                                 ": is a table now, in which a rule has its keys: aggregation = "
                                 "{ rule = \"" +
                                 names[chosen] + "\" }");
  }
  const base::Value no_keys;
  base::Diagnostics none;
  base::TableReader defaults(no_keys, "", none);
  return rule_kinds()[chosen].read(defaults);
}

}  // namespace

AggregationOptions read_aggregation(base::TableReader& table) {
  std::vector<std::string> names;
  for (const RuleKind& kind : rule_kinds()) names.push_back(kind.name);
  AggregationOptions options;
  for (const bool is_name : table.either<std::string>("aggregation")) {
    if (is_name) {
      options.rule = read_name(table, names);
      continue;
    }
    base::TableReader reader = table.table({"aggregation", meaning});
    const base::Key key("rule", "its name; engine/rules says what each does");
    options.rule = rule_kinds()[reader.choice(key, names, 0)].read(reader);
    options.norm_bound = reader.number(
        {"norm_bound",
         "an update larger than this many times the median of the others is scaled down to that; "
         "0: none is"},
        base::at_least(0).up_to(1e6), options.norm_bound);
    reader.finish();
  }
  return options;
}

}  // namespace convoy::engine
