#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "base/table_reader.hpp"
#include "base/text.hpp"

namespace convoy::base {
namespace {

TEST(Text, FindsTheNearestName) {
  const std::vector<std::string> names = {"mode", "model", "count", "device"};
  EXPECT_EQ(nearest("modle", names), "mode");
  EXPECT_EQ(nearest("devcie", names), "device");
  EXPECT_EQ(nearest("temperature", names), "");
}

TEST(Text, WritesFiguresForPeople) {
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(12), "12 B");
  EXPECT_EQ(human_seconds(0), "0 s");
  EXPECT_EQ(human_seconds(0.00012), "120 us");
  EXPECT_EQ(human_seconds(12.3456), "12.35 s");
  EXPECT_EQ(human_seconds(305), "5m 05s");
  EXPECT_EQ(human_seconds(3723), "1h 02m 03s");
  EXPECT_EQ(human_seconds(93784.2), "1d 02h 03m");
  EXPECT_EQ(human_seconds(93784.2, 1), "1d 02h 03m 04s");
  EXPECT_EQ(human_seconds(305, 1), "5m 05.0s");
  EXPECT_EQ(human_seconds(359.96, 1), "6m 00.0s") << "rounded before it is split";
  EXPECT_EQ(human_seconds(12.3456, 1), "12.346 s");
  EXPECT_EQ(human_bytes(1536, 2), "1.500 KiB");
  EXPECT_EQ(human_energy(2104, 2), "2.104 kJ");
  EXPECT_EQ(human_rate(5e7), "50 Mbit/s");
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(-1234), "-1,234");
  EXPECT_EQ(human_count(123), "123");
  EXPECT_EQ(as_integer("-12"), -12);
  for (const char* none : {"", "-", "1x", " 1", "1.0", "9223372036854775808"}) {
    EXPECT_FALSE(as_integer(none)) << none;
  }
}

TEST(Random, DependsOnItsKeysAndTheirOrder) {
  EXPECT_EQ(Random({1, 2}).bits(), Random({1, 2}).bits());
  EXPECT_NE(Random({1, 2}).bits(), Random({2, 1}).bits());
  EXPECT_NE(Random({1}).bits(), Random({1, 0}).bits());
}

TEST(Random, HasTheMomentsOfItsDistributions) {
  Random random({42});
  constexpr int n = 200'000;
  double normal = 0;
  double square = 0;
  double exponential = 0;
  double gamma = 0;
  double small_gamma = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    normal += x;
    square += x * x;
    exponential += random.exponential(3);
    gamma += random.gamma(2.5);
    small_gamma += random.gamma(0.3);
  }
  EXPECT_NEAR(normal / n, 0, 0.01);
  EXPECT_NEAR(square / n, 1, 0.02);
  EXPECT_NEAR(exponential / n, 3, 0.04);
  EXPECT_NEAR(gamma / n, 2.5, 0.02);
  EXPECT_NEAR(small_gamma / n, 0.3, 0.01);
}

TEST(Toml, CanonicalTextReadsBackAsTheSame) {
  Diagnostics problems;
  const char* text =
      "b = 1\na = [1, 2.5, \"x\\ty\"]\n[t]\nz = true\n[t.u]\nk = { p = 1e9 }\n[[n]]\nx = 1\n"
      "[[n]]\nx = 2\n[e]\n\"a.b\" = [\"c\"]\n";
  const Value once = parse_toml(text, "x", problems);
  const std::string canonical = to_toml(once);
  const Value twice = parse_toml(canonical, "y", problems);
  EXPECT_FALSE(problems.has_errors()) << problems.str() << canonical;
  EXPECT_EQ(to_toml(twice), canonical);
}

TEST(Toml, OverridesStepIntoTablesAndArrays) {
  Diagnostics problems;
  Value root = parse_toml("[[f.n]]\nc = 1\n[[f.n]]\nc = 2\n", "x", problems);
  override_value(root, "f.n.1.c", parse_value("7", "--set"), problems);
  override_value(root, "new.key", parse_value("word", "--set"), problems);
  EXPECT_FALSE(problems.has_errors());
  EXPECT_EQ(*root.find("f")->find("n")->as<Value::Array>()->at(1).find("c")->as<std::int64_t>(), 7);
  EXPECT_EQ(*root.find("new")->find("key")->as<std::string>(), "word");
  override_value(root, "f.n.2.c", parse_value("7", "--set f.n.2.c=7"), problems);
  EXPECT_NE(problems.str().find("2 elements"), std::string::npos);
}

TEST(TableReader, ReportsEverythingAtOnceWithItsPlace) {
  Diagnostics problems;
  const Value root =
      parse_toml("count = \"two\"\nshare = 1.5\nmodle = 3\n[sub]\nflag = 1\n", "f.toml", problems);
  TableReader reader(root, "", problems);
  EXPECT_EQ(reader.integer("count", at_least(1), 5), 5);
  EXPECT_EQ(reader.number("share", above(0).up_to(1), 0.5), 0.5);
  reader.integer("model", at_least(0), 0);
  reader.text("needed");
  TableReader sub = reader.table("sub");
  sub.flag("flag");
  sub.finish();
  reader.finish();
  const std::string text = problems.str();
  EXPECT_EQ(problems.errors(), 5) << text;
  EXPECT_NE(text.find("f.toml:1:9: error: count: expected an integer at least 1, got \"two\""),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("f.toml:2:9: error: share: expected a number above 0 and at most 1, got 1.5"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("unknown key \"modle\" at the top of the file; did you mean \"model\"?"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("needed: missing"), std::string::npos) << text;
  EXPECT_NE(text.find("f.toml:5:8: error: sub.flag"), std::string::npos) << text;
}

TEST(Diagnostics, WarningsAreToldAndNotCounted) {
  Diagnostics problems;
  const Location here{std::make_shared<const std::string>("f.toml"), 2, 1};
  problems.warning(here, "moved");
  problems.warning(here, "moved");
  EXPECT_FALSE(problems.has_errors());
  problems.error(here, "wrong");
  EXPECT_EQ(problems.errors(), 1);
  EXPECT_EQ(problems.str(), "f.toml:2:1: warning: moved\nf.toml:2:1: error: wrong\n");
}

TEST(Diagnostics, NoErrorGivesWayToAWarning) {
  Diagnostics problems;
  for (int i = 0; i < 150; ++i) problems.warning({}, std::to_string(i));
  problems.error({}, "wrong");
  EXPECT_EQ(problems.str(), "error: wrong\n... and 150 more\n");
}

enum class Shape { round, square };
constexpr Words<Shape> shapes = {{Shape::square, "square"}, {Shape::round, "round"}};

TEST(Words, AreReadAndWrittenByOneList) {
  EXPECT_EQ(name_of(shapes, Shape::round), "round");
  EXPECT_EQ(value_of(shapes, "square"), Shape::square);
  EXPECT_EQ(value_of(shapes, "flat"), std::nullopt);
  EXPECT_EQ(texts_of(shapes), (std::vector<std::string>{"square", "round"}));
  static constexpr Words<Shape> fewer = {{Shape::square, "square"}};
  EXPECT_THROW(name_of(fewer, Shape::round), std::logic_error);

  Diagnostics problems;
  const Value file = parse_toml("a = \"round\"\nb = \"flat\"", "f.toml", problems);
  TableReader reader(file, "", problems);
  EXPECT_EQ(reader.choice("a", shapes, Shape::square), Shape::round);
  EXPECT_EQ(reader.choice("absent", shapes, Shape::round), Shape::round);
  EXPECT_FALSE(problems.has_errors());
  EXPECT_EQ(reader.choice("b", shapes, Shape::round), Shape::round);
  EXPECT_EQ(reader.choice("missing", shapes), Shape::square);
  EXPECT_EQ(problems.errors(), 2);
  const std::string text = problems.str();
  EXPECT_NE(text.find("b: expected \"square\" or \"round\", got \"flat\""), text.npos) << text;
  EXPECT_NE(text.find("missing: missing; expected \"square\" or \"round\""), text.npos) << text;
}

TEST(KeyCatalogue, ListsWhatIsReadAndUnderWhichConditions) {
  const std::vector<std::string> kinds = {"round", "square"};
  static constexpr Words<bool> edges = {{false, "sharp"}, {true, "soft"}};
  Diagnostics problems;
  const auto rows = list_keys([&](KeyCatalogue& keys) {
    TableReader reader(keys, problems);
    TableReader shape = reader.tables({"shapes", "what there is"}).at(0);
    if (shape.choice({"kind", "of shape"}, kinds, 0) == 0) {
      shape.number({"radius", "in m"}, above(0), 1.0);
    } else {
      shape.choice({"edge", "of the square"}, edges)
          ? shape.number({"bend", "in m"}, above(0).up_to(2))
          : 0.0;
    }
    shape.number({"weight", "in kg"}, at_least(0), 1.0);
    shape.finish();
  });
  std::vector<std::string> paths;
  for (const KeyRow& row : rows) paths.push_back(row.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"shapes", "shapes.N.kind", "shapes.N.weight",
                                             "shapes.N.radius", "shapes.N.edge", "shapes.N.bend"}));
  const KeyRow& bend = rows.back();
  EXPECT_TRUE(bend.required);
  ASSERT_EQ(bend.conditions.size(), 2U);
  EXPECT_EQ(bend.conditions[0].path, "shapes.N.edge");
  EXPECT_EQ(bend.conditions[0].words, std::vector<std::string>{"soft"});
  EXPECT_EQ(bend.conditions[1].path, "shapes.N.kind");
  EXPECT_FALSE(problems.has_errors());
}

}  // namespace
}  // namespace convoy::base
