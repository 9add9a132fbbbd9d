// Tests `convoy keys`: the list, the schema for editors, and the warnings about moved and unused
// keys.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "base/value.hpp"
#include "tests/support/files.hpp"

namespace convoy {
namespace {

using base::Value;
using nlohmann::json;
using test::convoy;
using test::Output;
using testing::HasSubstr;
using testing::Not;

const std::filesystem::path root = CONVOY_SOURCE;

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// --- the table ----------------------------------------------------------------------------------

TEST(KeysVerb, PrintsATableThatFitsATerminal) {
  const Output out = convoy("keys");
  ASSERT_EQ(out.status, 0) << out.err;
  std::istringstream lines(out.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
  for (const char* table : {"[schedule.cos2p]", "[[fleet.nodes]]", "[training.optimizer]", "[hil]",
                            "[sweep]", "[fleet.mix.shares]"}) {
    EXPECT_THAT(out.out, HasSubstr(std::string(table) + ": "));
  }
  EXPECT_THAT(out.out, testing::ContainsRegex("quorum +number > 0, <= 1 +0.5 +cos2p\n"));
  EXPECT_THAT(out.out, testing::ContainsRegex("unfit +\"skip\" \"error\" +\"skip\" +some\n"));
  EXPECT_THAT(out.out, testing::ContainsRegex("seed +integer >= 0 +1\n"));
  EXPECT_THAT(out.out, HasSubstr("only with kind = adamw or adan"));
}

TEST(KeysVerb, APrefixPicksATableOrAKey) {
  const Output kind = convoy("keys schedule.cos2p");
  EXPECT_EQ(kind.status, 0);
  EXPECT_THAT(kind.out, HasSubstr("max_staleness"));
  EXPECT_THAT(kind.out, Not(HasSubstr("participants")));
  const Output key = convoy("keys fleet.nodes.0.count");
  EXPECT_THAT(key.out, HasSubstr("count "));
  EXPECT_THAT(key.out, Not(HasSubstr("jitter")));
  const Output none = convoy("keys schedule.cosp2");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("did you mean \"schedule.cos2p\"?"));
  EXPECT_THAT(convoy("keys quorum").err, HasSubstr("did you mean \"schedule.cos2p.quorum\"?"));
}

// --- the schema ---------------------------------------------------------------------------------

json to_json(const Value& value) {
  if (const auto* flag = value.as<bool>()) return *flag;
  if (const auto* whole = value.as<std::int64_t>()) return *whole;
  if (const auto* number = value.as<double>()) return *number;
  if (const auto* text = value.as<std::string>()) return *text;
  if (const auto* array = value.as<Value::Array>()) {
    json items = json::array();
    for (const Value& item : *array) items.push_back(to_json(item));
    return items;
  }
  json table = json::object();
  for (const base::Entry& entry : *value.as<Value::Table>()) {
    table[entry.key] = to_json(entry.value);
  }
  return table;
}

// Implements the part of JSON Schema that our schema uses; fails on any other keyword.
class Validator {
 public:
  explicit Validator(json schema) : schema_(std::move(schema)) {}

  // The problems found, one per line.
  std::string problems(const json& value) {
    problems_.clear();
    check(schema_, value, "");
    return problems_;
  }

 private:
  void wrong(const std::string& path, const std::string& what) {
    problems_ += path + ": " + what + "\n";
  }

  static bool has_type(const std::string& type, const json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    ADD_FAILURE() << "unknown type " << type;
    return false;
  }

  void check(const json& schema, const json& value, const std::string& path) {
    for (const auto& [word, rule] : schema.items()) {
      if (word == "type" && !has_type(rule, value)) {
        wrong(path, "is no " + rule.get<std::string>());
        return;  // the other keywords are about that type
      }
    }
    for (const auto& [word, rule] : schema.items()) check_word(schema, word, rule, value, path);
  }

  void check_word(const json& schema, const std::string& word, const json& rule, const json& value,
                  const std::string& path) {
    if (word == "minimum" && value < rule) wrong(path, "is below " + rule.dump());
    if (word == "exclusiveMinimum" && value <= rule) wrong(path, "is not above " + rule.dump());
    if (word == "maximum" && value > rule) wrong(path, "is above " + rule.dump());
    if (word == "exclusiveMaximum" && value >= rule) wrong(path, "is not below " + rule.dump());
    if (word == "enum" && std::find(rule.begin(), rule.end(), value) == rule.end()) {
      wrong(path, "is none of " + rule.dump());
    }
    if (word == "required") {
      for (const json& name : rule) {
        if (!value.contains(name)) wrong(path, "needs " + name.get<std::string>());
      }
    }
    if (word == "items") {
      for (const json& item : value) check(rule, item, path + "[]");
    }
    if (word == "anyOf") {
      const std::string before = problems_;
      const bool any = std::any_of(rule.begin(), rule.end(), [&](const json& one) {
        problems_.clear();
        check(one, value, path);
        return problems_.empty();
      });
      problems_ = before;
      if (!any) wrong(path, "has none of its forms");
    }
    if (word == "additionalProperties") check_names(schema, value, path);
    static const std::set<std::string> known = {"$schema",
                                                "title",
                                                "type",
                                                "description",
                                                "default",
                                                "properties",
                                                "enum",
                                                "minimum",
                                                "required",
                                                "items",
                                                "anyOf",
                                                "patternProperties",
                                                "maximum",
                                                "exclusiveMinimum",
                                                "exclusiveMaximum",
                                                "additionalProperties"};
    EXPECT_TRUE(known.contains(word)) << path << ": " << word;
  }

  void check_names(const json& schema, const json& table, const std::string& path) {
    for (const auto& [name, value] : table.items()) {
      const std::string at = path + "." + name;
      bool known = schema.contains("properties") && schema["properties"].contains(name);
      if (known) check(schema["properties"][name], value, at);
      const json patterns = schema.value("patternProperties", json::object());
      for (const auto& [pattern, rule] : patterns.items()) {
        if (!std::regex_search(name, std::regex(pattern))) continue;
        known = true;
        check(rule, value, at);
      }
      if (known) continue;
      const json& others = schema["additionalProperties"];
      if (others == false) {
        wrong(at, "is unknown");
      } else {
        check(others, value, at);
      }
    }
  }

  json schema_;
  std::string problems_;
};

class Schema : public testing::Test {
 protected:
  std::string problems(const std::string& toml) {
    base::Diagnostics syntax;
    const Value file = base::parse_toml(toml, "s.toml", syntax);
    EXPECT_FALSE(syntax.has_errors()) << syntax.str();
    return validator_.problems(to_json(file));
  }
  static json schema() {
    const Output out = convoy("keys --schema");
    EXPECT_EQ(out.status, 0) << out.err;
    return json::parse(out.out);
  }
  Validator validator_{schema()};
};

TEST_F(Schema, TakesTheScenariosThatComeWithConvoy) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / "scenarios")) {
    if (entry.path().extension() != ".toml") continue;
    ++files;
    EXPECT_EQ(problems(test::read_file(entry.path())), "") << entry.path();
  }
  EXPECT_GE(files, 6);
}

TEST_F(Schema, RefusesBrokenOnes) {
  EXPECT_EQ(problems("sede = 1"), ".sede: is unknown\n");
  EXPECT_EQ(problems("seed = \"one\""), ".seed: is no integer\n");
  EXPECT_EQ(problems("seed = 1.5"), ".seed: is no integer\n");
  EXPECT_EQ(problems("seed = -1"), ".seed: is below 0\n");
  EXPECT_EQ(problems("[schedule]\nkind = \"fedvag\""),
            ".schedule.kind: is none of [\"fedavg\",\"cos2p\",\"fedprox\",\"fedbuff\",\"fedasync\","
            "\"fedcompass\",\"teasq\",\"heterofl\",\"fedrolex\",\"ramfed\",\"prunefl\",\"fedpm\","
            "\"depthfl\",\"edgesplit\",\"splitfed\",\"splitlearning\",\"partitioned\",\"asteroid\","
            "\"dataparallel\",\"gpipe\",\"pipedream\",\"dapple\"]\n");
  EXPECT_EQ(problems("[schedule.cos2p]\nquorum = 0"), ".schedule.cos2p.quorum: is not above 0\n");
  EXPECT_EQ(problems("[schedule]\nquorum = 0.5"), ".schedule.quorum: is unknown\n");
  EXPECT_EQ(problems("[schedule.fedavg]\nparticipants = 1.5"),
            ".schedule.fedavg.participants: has none of its forms\n");
  EXPECT_EQ(problems("[[fleet.nodes]]\ncount = 2"), ".fleet.nodes[]: needs device\n");
  EXPECT_EQ(problems("[fleet.mix]\neach = { jiter = 1 }"), ".fleet.mix.each.jiter: is unknown\n");
  EXPECT_EQ(problems("[training]\nbatch = { big = 8 }"),
            ".training.batch: has none of its forms\n");
  EXPECT_EQ(problems("[training.optimizer]\nbetas = [2]"),
            ".training.optimizer.betas[]: is not below 1\n");
  EXPECT_EQ(problems("[sweep]\nseed = 3"), ".sweep.seed: is no array\n");
}

TEST_F(Schema, TakesKeysOfSeveralForms) {
  EXPECT_EQ(problems("[training]\nbatch = 8"), "");
  EXPECT_EQ(problems("[training]\nbatch = { 64gb = 128, 8gb = 16 }"), "");
  EXPECT_EQ(problems("[schedule.fedavg]\nparticipants = 3"), "");
  EXPECT_EQ(problems("[schedule.fedavg]\nparticipants = 0.5"), "");
  EXPECT_EQ(problems("[schedule.fedavg]\nparticipants = 1.0"), "");
  EXPECT_EQ(
      problems("[sweep]\n\"a.b\" = [1, \"x\"]\nzip = [[\"a.b\", \"c\"]]\ncases = [{ s = 1 }]"), "");
}

TEST_F(Schema, DescribesEveryKey) {
  const json betas =
      schema()["properties"]["training"]["properties"]["optimizer"]["properties"]["betas"];
  EXPECT_THAT(betas["description"], HasSubstr("only with training.optimizer.kind = adamw or adan"));
  const json server = schema()["properties"]["fleet"]["properties"]["server"]["properties"];
  EXPECT_EQ(server["device"]["default"], "server-generic");
  EXPECT_FALSE(server["device"].contains("enum"));
}

// --- warnings -----------------------------------------------------------------------------------

constexpr const char* flat = R"(
seed = 5
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
count = 4
[model]
architecture = "mlp"
[stop]
rounds = 3
[schedule]
kind = "cos2p"
quorum = 0.5
participants = 2
)";
constexpr const char* moved =
    "schedule.quorum: stands in [schedule.cos2p] now: schedule.cos2p.quorum";
constexpr const char* unused =
    "schedule.fedavg.participants: is not used: the file's kind is cos2p";

class KeyWarnings : public testing::Test {
 protected:
  test::TemporaryFolder folder_;
  std::string file_ = folder_.write("s.toml", flat);
};

TEST_F(KeyWarnings, OfMovedAndUnusedKeysGoToStderr) {
  const Output check = convoy("check " + file_);
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_THAT(check.err, HasSubstr(file_ + ":12:1: warning: " + moved));
  EXPECT_THAT(check.err, HasSubstr(file_ + ":13:1: warning: " + unused));
  const Output run = convoy("run " + file_ + " --no-store --json");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(json::parse(run.out)["schedule"], "cos2p");
  EXPECT_EQ(count(run.err, unused), 1);
  EXPECT_EQ(convoy("run " + file_ + " --no-store --json --quiet").err, "");
}

TEST_F(KeyWarnings, OfASweepAreSaidOnce) {
  const std::string axis = "[sweep]\n\"schedule.max_staleness\" = [1, 2, 3]\nrepetitions = 2\n";
  const std::string sweep =
      "sweep " + folder_.write("w.toml", flat + axis) + " -o " + (folder_.path() / "out").string();
  const Output first = convoy(sweep + " --json");
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(json::parse(first.out)["finished"], 6);
  EXPECT_EQ(count(first.err, moved), 1) << first.err;
  EXPECT_EQ(count(first.err, unused), 1) << first.err;
  EXPECT_EQ(count(first.err, "schedule.max_staleness: stands in"), 1) << first.err;
  EXPECT_THAT(convoy(sweep + " --quiet").err, Not(HasSubstr("warning")));
}

}  // namespace
}  // namespace convoy
