// Tests the limited log: few lines are written, and every suppressed line is counted.

#include "base/sparing_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>

namespace convoy::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(SparingLog, TellsTheFirstAtOnceAndThenOneEveryWhile) {
  SparingLog log(2, 10);
  EXPECT_EQ(log.tell("a", "one", 100), "one");
  EXPECT_EQ(log.tell("a", "two", 101), "two");
  EXPECT_FALSE(log.tell("a", "three", 102));
  EXPECT_EQ(log.tell("b", "another kind", 102), "another kind");
  EXPECT_FALSE(log.tell("a", "four", 103));
  EXPECT_THAT(log.overdue(109), IsEmpty());
  EXPECT_THAT(log.overdue(110), ElementsAre("four (and 1 more like it in the last 10 s)"));
  EXPECT_THAT(log.overdue(200), IsEmpty());
  EXPECT_FALSE(log.tell("a", "five", 111)) << "the flood goes on";
  EXPECT_EQ(log.tell("a", "six", 121), "six (and 1 more like it in the last 11 s)");
  // After a long pause the limit starts anew.
  EXPECT_EQ(log.tell("a", "seven", 500), "seven");
  EXPECT_EQ(log.tell("a", "eight", 500), "eight");
  EXPECT_FALSE(log.tell("a", "nine", 500));
}

TEST(SparingLog, CountsEveryLine) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::regex others(".*and ([0-9]+) more like it.*");
  for (int round = 0; round < 50; ++round) {
    SparingLog log(1 + static_cast<int>(random() % 5), 10);
    double now = 1000;
    int said = 0;
    int counted = 0;
    int lines = 0;
    const auto count = [&](const std::string& line) {
      ++lines;
      ++counted;
      std::smatch found;
      if (std::regex_match(line, found, others)) counted += std::stoi(found[1]);
    };
    for (int i = 0; i < 400; ++i) {
      now += random() % 3 == 0 ? 0.001 * static_cast<double>(random() % 9000) : 0.001;
      if (random() % 10 == 0) {
        for (const std::string& line : log.overdue(now)) count(line);
        continue;
      }
      ++said;
      if (const auto line = log.tell("a", "x", now)) count(*line);
    }
    const double passed = now - 1000;
    for (const std::string& line : log.overdue(now + 10)) count(line);
    EXPECT_EQ(counted, said);
    EXPECT_LE(lines, 5 * (passed / 10 + 2));
  }
}

}  // namespace
}  // namespace convoy::base
