// Names used twice in a fleet are found as by a list of all names.

#include "sim/scenario/names_used.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"

namespace convoy::sim {
namespace {

TEST(NamesUsed, FindsWhatAListFinds) {
  const std::vector<std::string> texts = {"a", "a-1", "a-", "a-1-2", "b", "1"};
  const std::vector<std::string> names = {"a",   "a-0", "a-1",  "a-2", "a-02",   "a-1-0",
                                          "b-3", "b-",  "a--1", "1-4", "a-1-2-0"};
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    base::Random random({seed, 0x6e616d6573ULL});
    NamesUsed used;
    std::set<std::string> list;
    std::map<std::string, int> next;
    for (int step = 0; step < 12; ++step) {
      std::vector<std::string> expected;
      if (random.below(2) == 0) {
        const std::string& name = names[random.below(names.size())];
        if (!list.insert(name).second) expected.push_back(name);
        EXPECT_EQ(used.add(name), expected) << name;
        continue;
      }
      const std::string& text = texts[random.below(texts.size())];
      const auto count = static_cast<int>(random.below(4)) + 1;
      for (int i = 0; i < count; ++i) {
        const std::string name = fmt::format("{}-{}", text, next[text]++);
        if (!list.insert(name).second) expected.push_back(name);
      }
      EXPECT_EQ(used.add(text, count), expected) << text;
    }
  }
}

}  // namespace
}  // namespace convoy::sim
