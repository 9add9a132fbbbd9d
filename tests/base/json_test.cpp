// Tests JSON as a tree: reading, writing, and refused texts.

#include "base/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/table_reader.hpp"

namespace convoy::base {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  Diagnostics problems;
  const Value tree = parse_json(text, "r.json", problems);
  EXPECT_TRUE(tree.as<Value::Table>() != nullptr && tree.as<Value::Table>()->empty()) << text;
  return problems.str();
}

TEST(Json, IsReadAsStrictlyAsToml) {
  Diagnostics problems;
  const Value tree = parse_json(
      R"({"a": {"n": 2, "x": 0.5, "s": "word", "on": true}, "rows": [{"k": 1}, {"k": 2}]})",
      "r.json", problems);
  TableReader reader(tree, "", problems);
  TableReader a = reader.table("a");
  EXPECT_EQ(a.integer("n", at_least(1)), 2);
  EXPECT_EQ(a.number("x", above(0)), 0.5);
  EXPECT_EQ(a.text("s"), "word");
  EXPECT_TRUE(a.flag("on"));
  a.finish();
  EXPECT_EQ(reader.tables("rows").size(), 2U);
  reader.finish();
  EXPECT_FALSE(problems.has_errors()) << problems.str();
  TableReader again(*tree.find("a"), "a", problems);
  again.number("s", above(0));
  EXPECT_THAT(problems.str(), HasSubstr("r.json"));
  EXPECT_THAT(problems.str(), HasSubstr("a.s"));
}

TEST(Json, WhatIsNoneIsRefused) {
  EXPECT_THAT(refusal(""), HasSubstr("is no JSON from byte"));
  EXPECT_THAT(refusal("{\"a\": 1"), HasSubstr("is no JSON from byte"));
  EXPECT_THAT(refusal("{} {}"), HasSubstr("is no JSON from byte"));
  EXPECT_THAT(refusal("3"), HasSubstr("an object is expected"));
  EXPECT_THAT(refusal("[1]"), HasSubstr("an object is expected"));
  EXPECT_THAT(refusal("{\"a\": null}"), HasSubstr("null"));
  EXPECT_THAT(refusal("{\"a\": 1, \"a\": 2}"), HasSubstr("\"a\" is there twice"));
  EXPECT_THAT(refusal("{\"a\": NaN}"), HasSubstr("is no JSON from byte"));
  EXPECT_THAT(refusal("{\"a\":" + std::string(200'000, '[')), HasSubstr("levels"));
}

// Truncated or changed text gives a report of the problem, or another tree.
TEST(Json, OfAnyBytesIsATreeOrAReport) {
  const std::string whole = R"({"a": {"b": [1, 2.5e3, "x\u00e9", false]}, "c": -7})";
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = whole;
    for (unsigned k = random() % 4; k > 0; --k) text[random() % text.size()] = char(random() % 256);
    text.resize(random() % (text.size() + 1));
    Diagnostics problems;
    const Value tree = parse_json(text, "r.json", problems);
    ASSERT_TRUE(tree.as<Value::Table>() != nullptr);
    if (!problems.has_errors()) {
      Diagnostics none;
      EXPECT_EQ(to_json(parse_json(to_json(tree), "r.json", none)), to_json(tree));
      EXPECT_FALSE(none.has_errors()) << none.str();
    }
  }
}

TEST(Json, NumbersComeBackAsTheyWere) {
  Value tree;
  const double values[] = {0.1, 1e-300, -1.7976931348623157e308, 3.0, 5e-324};
  Value::Array array;
  for (const double v : values) array.emplace_back(v, Location{});
  array.emplace_back(std::numeric_limits<std::int64_t>::min(), Location{});
  tree.set("n", Value(std::move(array), {}));
  tree.set("not", Value(std::nan(""), {}));
  Diagnostics problems;
  const Value back = parse_json(to_json(tree), "r.json", problems);
  ASSERT_FALSE(problems.has_errors()) << problems.str();
  const auto& read = *back.find("n")->as<Value::Array>();
  for (std::size_t i = 0; i < std::size(values); ++i) EXPECT_EQ(*read[i].as<double>(), values[i]);
  EXPECT_EQ(*read.back().as<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(*back.find("not")->as<std::string>(), "nan");
}

}  // namespace
}  // namespace convoy::base
