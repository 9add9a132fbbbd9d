// Tests the list of keys against the readers: every key with a right value and with wrong ones, for
// every kind of schedule.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "sim/scenario/scenario.hpp"
#include "tests/support/files.hpp"

namespace convoy::sim {
namespace {

using base::KeyForm;
using base::KeyRow;
using base::KeyType;
using base::Value;

Value of(Value::Data data) { return {std::move(data), {}}; }
Value text(const char* word) { return of(std::string(word)); }
Value parsed(const std::string& toml) { return base::parse_value(toml, "test"); }

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream in(path);
  for (std::string part; std::getline(in, part, '.');) parts.push_back(part);
  return parts;
}

// Sets a key by its listed path; N is the first element, which is added if missing.
void set(Value& root, const std::string& path, Value value) {
  Value* at = &root;
  const std::vector<std::string> parts = parts_of(path);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool array = i + 1 < parts.size() && parts[i + 1] == "N";
    if (parts[i] == "N") {
      at = &at->as<Value::Array>()->front();
    } else if (i + 1 == parts.size()) {
      at->set(parts[i], std::move(value));
    } else {
      Value* below = at->find(parts[i]);
      const bool fits = below != nullptr && (array ? below->as<Value::Array>() != nullptr
                                                   : below->as<Value::Table>() != nullptr);
      if (!fits) at->set(parts[i], array ? of(Value::Array{Value()}) : Value());
      at = at->find(parts[i]);
    }
  }
}

bool is_set(const Value& root, const std::string& path) {
  const Value* at = &root;
  for (const std::string& part : parts_of(path)) {
    const auto* array = at->as<Value::Array>();
    at = part == "N" && array != nullptr ? &array->front() : at->find(part);
    if (at == nullptr) return false;
  }
  return true;
}

struct Verdict {
  bool accepted = false;
  bool unused = false;  // warns about an unused key
  std::string problems;
};

Verdict read(const Value& root) {
  base::Diagnostics problems;
  const auto scenario = read_scenario_text(base::to_toml(root), "keys.toml", {}, problems);
  Verdict verdict{scenario.has_value(), false, problems.str()};
  verdict.unused = verdict.problems.find("is not used") != std::string::npos;
  return verdict;
}

class Keys : public testing::Test {
 protected:
  Keys() {
    folder_.write("texts.csv",
                  "label,text\n0,one two\n1,three four\n0,five\n1,six seven\n0,a\n1,b\n");
  }

  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  static std::string trace() {
    return std::string(CONVOY_SOURCE) + "/scenarios/traces/throttling.csv";
  }

  // Values for keys whose form and default do not give a right value.
  [[nodiscard]] std::optional<Value> given_value(const KeyRow& row) const {
    const std::map<std::string, Value> values = {
        {"name", text("keys")},
        {"fleet", parsed("{ use = \"jetson16\" }")},
        {"fleet.use", text("jetson16")},
        {"fleet.mix", parsed("{ shares = { jetson-nano = 1 } }")},
        {"fleet.mix.shares.DEVICE", of(1.0)},
        {"fleet.mix.shares", parsed("{ jetson-nano = 1 }")},
        {"fleet.nodes.N.device", text("jetson-orin-nano-8gb")},
        {"fleet.nodes.N.mode", text("15W")},
        {"fleet.server.mode", text("default")},
        {"fleet.nodes.N.via", text("ap")},
        {"fleet.nodes.N.trace", text(trace().c_str())},
        {"fleet.nodes.N.trace.file", text(trace().c_str())},
        {"fleet.nodes.N.trace.to_s", of(100.0)},              // lines after the first
        {"fleet.nodes.N.trace.only", parsed("[\"speed\"]")},  // a column of the file
        {"fleet.nodes.N.lost_at_s", of(5.0)},                 // after it joins
        {"model.weights", text(file("texts.csv").c_str())},   // read only when the run begins
        {"model.image_size", of(std::int64_t{32})},
        {"model.channels", of(std::int64_t{3})},
        {"data.test_share", of(0.4)},  // the file is small
        {"stop", parsed("{ rounds = 1 }")},
        {"sweep.AXIS", parsed("[1, 2]")},
        {"sweep.zip", parsed("[[\"seed\", \"stop.rounds\"]]")},
        {"sweep.cases", parsed("[{ \"stop.rounds\" = 2 }]")},
    };
    const auto found = values.find(row.path);
    if (found != values.end()) return found->second;
    if (row.path.ends_with(".period_s")) return of(10.0);  // above busy_s
    return std::nullopt;
  }

  void prepare(const KeyRow& row, Value& root) const {
    const std::string& path = row.path;
    const auto within = [&](const std::string& table) { return path.starts_with(table); };
    if (within("fleet.mix") || path == "fleet.use") root.find("fleet")->erase("nodes");
    if (within("fleet.mix.")) set(root, "fleet.mix.shares.jetson-nano", of(1.0));
    if (path == "fleet.nodes.N.via") set(root, "fleet.shared_links.N.name", text("ap"));
    if (within("fleet.nodes.N.trace."))
      set(root, "fleet.nodes.N.trace.file", text(trace().c_str()));
    if (within("fleet.nodes.N.trace.phase")) set(root, "fleet.nodes.N.trace.loop", of(true));
    if (path.ends_with(".busy_s") || path.ends_with(".offset_s")) {
      set(root, row.section() + ".period_s", of(10.0));
    }
    const bool has_load = !within("schedule.");
    if (has_load && (path.ends_with(".period_s") || path.ends_with(".offset_s"))) {
      set(root, row.section() + ".busy_s", of(1.0));
    }
    const std::set<std::string> of_texts = {
        "data.sequence",   "data.test_share",      "model.sequence",      "model.vocabulary",
        "data.vocabulary", "data.vocabulary.kind", "data.vocabulary.size"};
    if (of_texts.contains(path)) {
      set(root, "model.architecture", text("bert-small"));
      root.find("data")->erase("samples");
    }
    if (of_texts.contains(path) && within("data.")) {
      set(root, "data.source", of("csv:" + file("texts.csv")));
      set(root, "data.test_share", of(0.4));
    }
    if (path == "model.image_size") set(root, "model.architecture", text("resnet18"));
    if (path == "model.qkv_bias") set(root, "model.architecture", text("vit-micro"));
    if (path == "model.stochastic_depth") {
      set(root, "model.architecture", text("efficientnet-b1"));
    }
    if (path == "training.optimizer.nesterov") set(root, "training.optimizer.momentum", of(0.9));
    if (path == "stop.accuracy") set(root, "training.learn", of(true));
    if (path == "sweep.zip") {
      root.find("sweep")->set("seed", parsed("[1, 2]"));
      root.find("sweep")->set("stop.rounds", parsed("[1, 2]"));
    }
  }

  // A small scenario with everything that the key needs, but without the key.
  [[nodiscard]] Value around(const KeyRow& row, const std::string& kind) const {
    Value root = parsed(
        "{ fleet = { nodes = [{ device = \"jetson-orin-nano-8gb\", count = 2 }] }, model = { "
        "architecture = \"mlp\" }, data = { samples = 200 }, stop = { rounds = 1 }, sweep = {} }");
    set(root, "schedule.kind", of(kind));
    for (const base::KeyCondition& condition : row.conditions) {
      if (condition.path == schedule_key) continue;
      set(root, condition.path, of(condition.words.front()));
    }
    prepare(row, root);
    for (const KeyRow& other : rows_) {
      const bool beside = other.required && row.path.starts_with(other.section() + ".");
      if (beside && !is_set(root, other.path) && is_set(root, other.section())) {
        set(root, other.path, right(other, other.forms.front()));
      }
    }
    return root;
  }

  // Adds the required keys of the tables that the key creates.
  void add_required(const KeyRow& row, Value& root) const {
    for (const KeyRow& other : rows_) {
      const bool beside =
          other.required && other.path != row.path && row.path.starts_with(other.section() + ".");
      const bool possible = other.section().empty() || is_set(root, other.section());
      if (beside && possible && !is_set(root, other.path)) {
        set(root, other.path, right(other, other.forms.front()));
      }
    }
    // A decay's other keys say nothing without a factor, and are refused then.
    if (row.section().ends_with(".decay") && row.name() != "factor" && row.name() != "bits_to") {
      set(root, row.section() + ".factor", of(0.5));
    }
    // Nor do those of heartbeats without their period.
    if (row.section().ends_with(".heartbeat") && row.name() != "period_s") {
      set(root, row.section() + ".period_s", of(1.0));
    }
  }

  [[nodiscard]] Value right(const KeyRow& row, const KeyForm& form) const {
    if (auto value = given_value(row)) {
      const bool table = value->as<Value::Table>() != nullptr;
      if (table == (form.type == KeyType::table)) return *value;
    }
    if (row.fallback && fits(form, *row.fallback)) return *row.fallback;
    const double low = std::isinf(form.range.low) ? 0 : form.range.low;
    const double high = form.range.high;
    const double middle = high - low <= 1 ? (low + high) / 2 : low + 1;
    switch (form.type) {
      case KeyType::text:
        return text("x");
      case KeyType::number:
        return of(form.range.low_open ? middle : low);
      case KeyType::integer:
        return of(static_cast<std::int64_t>(low) + (form.range.low_open ? 1 : 0));
      case KeyType::flag:
        return of(true);
      case KeyType::choice:
        return of(form.words.front());
      case KeyType::numbers:
        return of(Value::Array{of(middle)});
      case KeyType::words:
        return of(Value::Array{of(form.words.front())});
      case KeyType::table: {
        Value table;
        for (const KeyRow& below : rows_) {
          if (below.section() != row.path) continue;
          if (below.required) table.set(below.name(), right(below, below.forms.front()));
          if (below.any_name && !below.pattern.empty()) {
            table.set("8gb", right(below, below.forms.front()));
          }
        }
        return table;
      }
      case KeyType::tables: {
        Value element;
        for (const KeyRow& below : rows_) {
          const bool needed = below.required && below.section() == row.path + ".N";
          if (needed) element.set(below.name(), right(below, below.forms.front()));
        }
        return of(Value::Array{element});
      }
      case KeyType::array:
        return of(Value::Array{});
    }
    return {};
  }

  static bool fits(const KeyForm& form, const Value& value) {
    switch (form.type) {
      case KeyType::text:
        return value.as<std::string>() != nullptr;
      case KeyType::choice: {
        const auto* word = value.as<std::string>();
        return word != nullptr &&
               std::find(form.words.begin(), form.words.end(), *word) != form.words.end();
      }
      case KeyType::integer: {
        const auto* whole = value.as<std::int64_t>();
        if (whole != nullptr) return form.range.holds(static_cast<double>(*whole));
        const auto* number = value.as<double>();
        return number != nullptr && *number == std::floor(*number) && form.range.holds(*number);
      }
      case KeyType::number: {
        const auto* number = value.as<double>();
        const auto* whole = value.as<std::int64_t>();
        if (whole != nullptr) return form.range.holds(static_cast<double>(*whole));
        return number != nullptr && form.range.holds(*number);
      }
      case KeyType::flag:
        return value.as<bool>() != nullptr;
      case KeyType::table:
        return value.as<Value::Table>() != nullptr;
      default:
        return value.as<Value::Array>() != nullptr;
    }
  }

  // Values that none of the key's forms allows.
  static std::vector<Value> wrong(const KeyRow& row) {
    std::vector<Value> values = {of(true),
                                 text("no such word"),
                                 of(std::int64_t{-7}),
                                 of(-0.5),
                                 of(Value::Array{}),
                                 Value(),
                                 of(Value::Array{of(Value::Array{})})};
    for (const KeyForm& form : row.forms) {
      const auto beyond = [&](double limit, bool open, double step) {
        if (std::isinf(limit) || std::abs(limit) > 1e17) return;
        const double value = open ? limit : limit + step;
        if (form.type == KeyType::number) values.push_back(of(value));
        if (form.type == KeyType::integer) values.push_back(of(static_cast<std::int64_t>(value)));
        if (form.type == KeyType::numbers) values.push_back(of(Value::Array{of(value)}));
      };
      beyond(form.range.low, form.range.low_open, -1);
      beyond(form.range.high, form.range.high_open, std::max(1.0, form.range.high * 1e-6));
    }
    std::erase_if(values, [&](const Value& value) {
      return std::any_of(row.forms.begin(), row.forms.end(), [&](const KeyForm& form) {
        // Elements of an array were handled above; a table's content has rows of its own.
        const auto* array = value.as<Value::Array>();
        const bool nested = array != nullptr && !array->empty();
        return fits(form, value) && (!nested || form.type == KeyType::array);
      });
    });
    return values;
  }

  [[nodiscard]] static std::string path_of(const KeyRow& row) {
    if (!row.any_name) return row.path;
    const std::string name = row.path == "sweep.AXIS" ? "seed"
                             : row.pattern.empty()    ? "jetson-nano"
                                                      : "8gb";
    return row.section() + "." + name;
  }

  static bool only_a_table(const KeyRow& row) {
    return std::all_of(row.forms.begin(), row.forms.end(), [](const KeyForm& form) {
      return form.type == KeyType::table || form.type == KeyType::tables;
    });
  }

  static bool is_used_by(const KeyRow& row, const std::string& kind) {
    for (const base::KeyCondition& condition : row.conditions) {
      if (condition.path != schedule_key) continue;
      const auto& kinds = condition.words;
      return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
    }
    return true;
  }

  void expect_accepted(const KeyRow& row, const std::string& kind) const {
    for (const KeyForm& form : row.forms) {
      Value root = around(row, kind);
      set(root, path_of(row), row.path == schedule_key ? of(kind) : right(row, form));
      add_required(row, root);
      const Verdict verdict = read(root);
      EXPECT_TRUE(verdict.accepted) << base::to_toml(root) << verdict.problems;
      // Without keys, the table of another kind causes no warning.
      // The list does not tell that fedpm takes no rule, if several rules have a key.
      const bool of_rules = row.section() == "schedule.aggregation" && kind == "fedpm";
      if (!only_a_table(row) && !of_rules) {
        EXPECT_EQ(verdict.unused, !is_used_by(row, kind))
            << base::to_toml(root) << verdict.problems;
      }
    }
  }

  void expect_refused(const KeyRow& row, const std::string& kind) const {
    for (const Value& value : wrong(row)) {
      Value root = around(row, kind);
      set(root, path_of(row), value);
      add_required(row, root);
      EXPECT_FALSE(read(root).accepted) << base::to_toml(root);
    }
  }

  void expect_misspelling_refused(const KeyRow& row, const std::string& kind) const {
    if (row.any_name) return;  // any name is allowed here
    Value root = around(row, kind);
    set(root, path_of(row), right(row, row.forms.front()));
    add_required(row, root);
    set(root, path_of(row) + "_", right(row, row.forms.front()));
    const Verdict verdict = read(root);
    EXPECT_FALSE(verdict.accepted) << base::to_toml(root);
    const std::string unknown = fmt::format("unknown key \"{}_\"", row.name());
    if (row.section() != "sweep") {  // an axis may have any name
      EXPECT_NE(verdict.problems.find(unknown), std::string::npos) << verdict.problems;
    }
  }

  // With other values of the choice the key does not exist.
  void expect_refused_without_conditions(const KeyRow& row, const std::string& kind) const {
    for (const base::KeyCondition& condition : row.conditions) {
      if (condition.path == schedule_key) continue;
      for (const KeyRow& choice : rows_) {
        if (choice.path != condition.path) continue;
        for (const std::string& word : choice.forms.front().words) {
          const auto& words = condition.words;
          if (std::find(words.begin(), words.end(), word) != words.end()) continue;
          Value root = around(row, kind);
          set(root, path_of(row), right(row, row.forms.front()));
          add_required(row, root);
          set(root, condition.path, of(word));
          EXPECT_FALSE(read(root).accepted) << base::to_toml(root);
        }
      }
    }
  }

  test::TemporaryFolder folder_;
  std::vector<KeyRow> rows_ = scenario_keys();
};

TEST_F(Keys, EachHasAMeaningAndStandsOnce) {
  EXPECT_GT(rows_.size(), 150U);
  std::set<std::string> paths;
  for (const KeyRow& row : rows_) {
    EXPECT_FALSE(row.meaning.empty()) << row.path;
    EXPECT_TRUE(paths.insert(row.path).second) << row.path;
    EXPECT_FALSE(row.forms.empty()) << row.path;
    EXPECT_FALSE(row.meaning.ends_with('.')) << row.path << ": a clause, not a sentence";
  }
}

TEST_F(Keys, OfEveryKindOfScheduleAreReadAsTheyAreListed) {
  for (const ScheduleKind& kind : schedule_kinds()) {
    for (const KeyRow& row : rows_) {
      SCOPED_TRACE(fmt::format("{} with {}", row.path, kind.name));
      // These are timed only.
      const bool learns = row.path == "training.learn" || row.path == "stop.accuracy";
      if (kind.together && learns) continue;
      expect_accepted(row, kind.name);
    }
  }
}

// Keys that do not depend on the schedule with the first kind, a kind's own keys with it, other
// keys of [schedule] with every fourth kind, beginning elsewhere for each key.
TEST_F(Keys, RefuseWhatTheListDoesNotAllow) {
  const auto& kinds = schedule_kinds();
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    const std::string& kind = kinds[k].name;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const KeyRow& row = rows_[r];
      const bool tried = !row.path.starts_with("schedule")
                             ? k == 0
                             : row.path.starts_with("schedule." + kind + ".") || (k + r) % 4 == 0;
      if (!tried) continue;
      SCOPED_TRACE(fmt::format("{} with {}", row.path, kind));
      expect_refused(row, kind);
      expect_misspelling_refused(row, kind);
      expect_refused_without_conditions(row, kind);
    }
  }
}

TEST_F(Keys, SayWhichKindsUseThem) {
  std::map<std::string, std::set<std::string>> users;
  for (const KeyRow& row : rows_) {
    for (const ScheduleKind& kind : schedule_kinds()) {
      if (is_used_by(row, kind.name)) users[row.path].insert(kind.name);
    }
  }
  EXPECT_EQ(users.at("schedule.cos2p.quorum"), std::set<std::string>{"cos2p"});
  EXPECT_EQ(users.at("schedule.fedavg.participants"), std::set<std::string>{"fedavg"});
  EXPECT_EQ(users.at("schedule.heterofl.deadline_s"), std::set<std::string>{"heterofl"});
  std::set<std::string> all;
  std::set<std::string> together;
  for (const ScheduleKind& kind : schedule_kinds()) {
    (kind.together ? together : all).insert(kind.name);
  }
  EXPECT_EQ(users.at("schedule.pipeline.microbatches"), together);
  std::set<std::string> of_submodels = all;
  of_submodels.erase("prunefl");
  of_submodels.erase("fedpm");
  of_submodels.erase("partitioned");
  EXPECT_EQ(users.at("schedule.rates"), of_submodels);
  all.erase("fedpm");  // which has a rule of its own
  EXPECT_EQ(users.at("schedule.aggregation.divide"), all) << "whatever a kind's default rule is";
}

TEST_F(Keys, ThatOnlySomeWordsOfAnotherReadSaySo) {
  const auto row = [&](const std::string& path) {
    return *std::find_if(rows_.begin(), rows_.end(), [&](const auto& r) { return r.path == path; });
  };
  const KeyRow betas = row("training.optimizer.betas");
  ASSERT_EQ(betas.conditions.size(), 1U);
  EXPECT_EQ(betas.conditions[0].path, "training.optimizer.kind");
  EXPECT_EQ(betas.conditions[0].words, (std::vector<std::string>{"adamw", "adan"}));
  EXPECT_EQ(base::to_text(*betas.fallback), "[0.9, 0.999]");
  ASSERT_EQ(betas.other_fallbacks.size(), 1U);
  EXPECT_EQ(betas.other_fallbacks[0].first.words, std::vector<std::string>{"adan"});
  EXPECT_EQ(row("hil.pace").conditions.at(0).words, std::vector<std::string>{"paced"});
  EXPECT_TRUE(row("training.batch").is(KeyType::integer));
  EXPECT_TRUE(row("training.batch").is(KeyType::table));
}

}  // namespace
}  // namespace convoy::sim
