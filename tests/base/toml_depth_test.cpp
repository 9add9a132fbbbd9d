// Tests texts nested deeper than the stack allows: they are refused before any recursion.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/value.hpp"

namespace convoy::base {
namespace {

using testing::HasSubstr;

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string problems_of(const std::string& text) {
  Diagnostics problems;
  static_cast<void>(parse_toml(text, "x.toml", problems));
  return problems.str();
}

TEST(TomlDepth, WhateverGoesTooDeepIsRefused) {
  using Make = std::function<std::string(int)>;
  const std::string three = "\"\"\"";
  const std::vector<Make> ways = {
      [](int n) { return repeated("a.", n) + "a = 1"; },
      [](int n) { return repeated("a . ", n) + "a = 1"; },
      [](int n) { return repeated("\"a]\".", n) + "a = 1"; },
      [](int n) { return repeated("'a#'.", n) + "a = 1"; },
      [](int n) { return "[" + repeated("a.", n) + "a]\nb = 1"; },
      [](int n) { return "[[" + repeated("a.", n) + "a]]\nb = 1"; },
      [](int n) { return "[a]\n" + repeated("a.", n) + "a = 1"; },
      [](int n) { return "a = " + repeated("[", n) + repeated("]", n); },
      [](int n) { return "a = " + repeated("[\n", n) + repeated("]", n); },
      [](int n) { return "a = " + repeated("{a=", n) + "1" + repeated("}", n); },
      [](int n) { return "a = " + repeated("{a.a.a=[1,", n / 4) + "1" + repeated("]}", n / 4); },
      [&](int n) { return "s = " + three + "x" + three + "\"\n" + repeated("a.", n) + "a = 1"; },
      [&](int n) {
        return "s = [" + three + "x" + three + "\", {" + repeated("a.", n) + "a = 1}]";
      },
      [](int n) { return "s = ['''x''''', {" + repeated("a.", n) + "a = 1}]"; },
      [](int n) { return "s = \"\\\"\" # \"\n" + repeated("a.", n) + "a = 1"; },
  };
  for (std::size_t way = 0; way < ways.size(); ++way) {
    for (const int depth : {420, 20'000, 300'000}) {
      EXPECT_THAT(problems_of(ways[way](depth)), HasSubstr("nested deeper than 100 levels"))
          << "way " << way << ", " << depth;
    }
    if (way == 11) continue;
    EXPECT_EQ(problems_of(ways[way](20)), "") << "way " << way;
  }
  EXPECT_THAT(problems_of("x = 1\n" + repeated("a.", 200)), HasSubstr("x.toml:2"));
}

TEST(TomlDepth, WhatIsOnlyLongIsNotDeep) {
  const std::string three = "\"\"\"";
  for (const std::string& text :
       {"s = \"" + repeated("a.[{", 1000) + "\"", "s = '" + repeated("a.[{", 1000) + "'",
        "s = " + three + repeated("a.[{\n", 1000) + three,
        "s = '''" + repeated("a.[{\n", 1000) + "'''", "# " + repeated("a.[{", 1000),
        "a = [" + repeated("1.5, ", 1000) + "]", "a = [" + repeated("[1.5], ", 1000) + "]",
        repeated("[[a]]\nb.c.d = { x.y = 1.5 }\n", 1000),
        std::string("a = 2020-01-01T00:00:00.5")}) {
    EXPECT_THAT(problems_of(text), testing::Not(HasSubstr("deeper"))) << text.substr(0, 60);
  }
}

// Any text is read or refused.
TEST(TomlDepth, RandomTextsEnd) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::vector<std::string> pieces = {"a", ".",  "[",      "]",   "{",       "}",  "=",
                                           ",", "\n", "\"",     "'",   "#",       "\\", "1",
                                           " ", "[[", "\"\"\"", "'''", "a.a.a.a."};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 300; ++i) {
      const std::string& piece = pieces[random() % pieces.size()];
      text += random() % 20 == 0 ? repeated(piece, 1 + static_cast<int>(random() % 5000)) : piece;
    }
    static_cast<void>(problems_of(text));
  }
}

}  // namespace
}  // namespace convoy::base
