// Tests the tables and texts for the terminal.

#include "cli/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <sstream>

#include "base/random.hpp"
#include "base/text.hpp"
#include "cli/metric_text.hpp"
#include "cli/time_left.hpp"
#include "tests/support/seed.hpp"

namespace convoy::cli {
namespace {

using analysis::Unit;
using testing::HasSubstr;

std::string random_text(base::Random& random, std::size_t words) {
  std::string text;
  for (std::size_t w = 0; w < words; ++w) {
    if (w > 0) text += ' ';
    for (std::size_t i = 0, n = 1 + random.below(12); i < n; ++i) {
      text += static_cast<char>('a' + random.below(26));
    }
  }
  return text;
}

// Whatever is in a table: no line is too long, and nothing is cut off.
TEST(Table, OfWhateverWidthFitsAndLosesNothing) {
  const std::uint64_t seed = test::drawn_seed();
  base::Random random({seed});
  for (int round = 0; round < 200; ++round) {
    const std::size_t columns = 1 + random.below(14);
    std::vector<std::string> headings;
    for (std::size_t i = 0; i < columns; ++i) {
      headings.push_back((random.below(3) == 0 || i == 0 ? "<" : "") +
                         random_text(random, 1 + random.below(3)));
    }
    Table table(headings);
    std::vector<std::vector<std::string>> rows;
    for (std::size_t r = 0; r < 5; ++r) {
      auto& row = rows.emplace_back();
      for (std::size_t i = 0; i < columns; ++i) {
        const bool text = headings[i].starts_with('<');
        row.push_back(random_text(random, text ? random.below(8) : random.below(2)));
      }
      table.add(row);
    }
    const std::string drawn = table.str();
    std::istringstream lines(drawn);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << drawn;
    // Each word of each cell is there.
    for (const auto& row : rows) {
      for (const std::string& cell : row) {
        std::istringstream words(cell);
        for (std::string word; words >> word;) EXPECT_THAT(drawn, HasSubstr(word)) << seed;
      }
    }
  }
}

TEST(Table, ThatIsTooWideIsWrappedThenPrintedInBlocks) {
  Table narrow({"<name", "value"});
  narrow.add({"a", "1"});
  EXPECT_EQ(narrow.str(), "  name  value\n  a         1\n");
  Table texts({"<name", "<what it is", "value"});
  texts.add({"a", std::string(60, 'x') + " " + std::string(60, 'y'), "1"});
  EXPECT_EQ(texts.str(), "  name  what it is" + std::string(52, ' ') + "value\n" + "  a     " +
                             std::string(60, 'x') + "      1\n" + "        " +
                             std::string(60, 'y') + "\n");
  std::vector<std::string> headings = {"<run"};
  std::vector<std::string> row = {"r"};
  for (int i = 0; i < 12; ++i) {
    headings.push_back("c" + std::to_string(i));
    row.push_back(std::string(10, static_cast<char>('0' + i % 10)));
  }
  Table blocks(headings);
  blocks.add(row);
  const std::string drawn = blocks.str();
  EXPECT_THAT(drawn, HasSubstr("\n\n  run          c7")) << "the first column comes again";
  // All leading texts come again: a value without its group says nothing.
  headings.insert(headings.begin() + 1, "<group");
  row.insert(row.begin() + 1, std::string(20, 'g') + " " + std::string(20, 'h'));
  Table grouped(headings);
  grouped.add(row);
  const std::string in_groups = grouped.str();
  for (std::size_t at = in_groups.find("  run"); at < in_groups.size();
       at = in_groups.find("  run", at + 1)) {
    EXPECT_EQ(in_groups.substr(at + 5, 7), "  group") << in_groups;
  }
}

// Values that differ look different, and no digits are shown that nobody needs.
TEST(MetricText, HasAsManyDigitsAsTellNeighboursApart) {
  const MetricText alike(Unit::joules, {2104000, 2101000, 2109000});
  EXPECT_EQ(alike(2104000), "2.104 MJ");
  EXPECT_EQ(MetricText(Unit::joules, {2.1e6, 4.2e6})(2.1e6), "2.1 MJ");
  EXPECT_EQ(MetricText(Unit::seconds, {7857.2, 7891.6})(7857.2), "2h 10m 57s");
  EXPECT_EQ(MetricText(Unit::seconds, {7857.2, 7857.4})(7857.2), "2h 10m 57.2s");
  EXPECT_EQ(MetricText(Unit::seconds, {93784.2, 93790})(93784.2), "1d 02h 03m 04s");
  EXPECT_EQ(MetricText(Unit::seconds, {119.96, 120.04})(119.96), "1m 59.96s");
  EXPECT_EQ(MetricText(Unit::share, {0.97312, 0.97314})(0.97312), "97.312 %");
  EXPECT_EQ(MetricText(Unit::share, {0.5, 0.5})(0.5), "50.0 %");
  const auto spreads = means_and_spreads(Unit::joules, {{2.1e6, 2.104e6}, {}, {3e6}});
  EXPECT_EQ(spreads[0], "2.102 MJ [2.100 MJ .. 2.104 MJ]");
  EXPECT_EQ(spreads[1], "");
  EXPECT_EQ(spreads[2], "3.000 MJ");
  const DifferenceText difference = difference_text(Unit::joules, -1.16e6, -1.18e6, -1.14e6);
  EXPECT_EQ(difference.mean, "-1.16 MJ");
  EXPECT_EQ(difference.interval, "-1.18 MJ .. -1.14 MJ");
  EXPECT_EQ(difference_text(Unit::share, 0.012, {}, {}).mean, "+1.2 pp");
}

TEST(MetricText, OfRandomValuesTellsThemApart) {
  const std::uint64_t seed = test::drawn_seed();
  base::Random random({seed});
  for (const Unit unit : {Unit::seconds, Unit::bytes, Unit::joules, Unit::joule_seconds,
                          Unit::samples_per_joule, Unit::share}) {
    for (int round = 0; round < 200; ++round) {
      const double size = unit == Unit::share ? 1 : std::pow(10, random.uniform() * 10 - 3);
      std::vector<double> values;
      for (int i = 0; i < 4; ++i) values.push_back(size * (1 + 0.01 * random.uniform()));
      const MetricText text(unit, values);
      std::set<std::string> texts;
      for (const double value : values) texts.insert(text(value));
      // Four decimals more than usual tell what differs by a part in a thousand.
      std::ranges::sort(values);
      bool apart = true;
      for (std::size_t i = 1; i < values.size(); ++i) {
        apart = apart && values[i] - values[i - 1] > 2e-4 * size;
      }
      // Below its smallest unit (J, B, /J) a value has few digits.
      const bool large = size > 1 || unit == Unit::seconds || unit == Unit::share;
      if (apart && large) {
        EXPECT_EQ(texts.size(), values.size()) << size << " seed " << seed;
      }
    }
  }
}

TEST(TimeLeft, CountsDownAndRisesOnlyWhereItWasWrong) {
  TimeLeft left;
  EXPECT_EQ(left(0, 0, 0.5), std::nullopt) << "nothing is done";
  EXPECT_EQ(left(0.001, 0, 2), std::nullopt) << "too little to tell";
  EXPECT_NEAR(left(0.1, 0, 10).value(), 90, 1e-9);
  // A steady pace: the sum of what has passed and what is left stays.
  for (double wall = 11; wall < 100; ++wall) {
    EXPECT_NEAR(left(wall / 100, 0, wall).value(), 100 - wall, 1e-6);
  }
  EXPECT_EQ(left(1, 0, 100), 0);
}

TEST(TimeLeft, OfAnUnsteadyPaceDoesNotRiseWithEveryLine) {
  TimeLeft left;
  double before = left(0.2, 0, 10).value();  // 40 s
  int rises = 0;
  for (int i = 1; i <= 30; ++i) {
    const double wall = 10 + i;
    const double share = 0.2 + 0.02 * i + (i % 2 == 0 ? 0.01 : 0);  // by fits and starts
    const double now = left(share, 0, wall).value();
    rises += now > before ? 1 : 0;
    before = now;
  }
  EXPECT_LE(rises, 1);
}

TEST(TimeLeft, OfAResumedRunGoesByWhatIsDoneNow) {
  TimeLeft left;
  EXPECT_NEAR(left(0.75, 0.5, 10).value(), 10, 1e-9) << "a quarter took 10 s, a quarter is left";
}

}  // namespace
}  // namespace convoy::cli
