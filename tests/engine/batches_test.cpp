// Tests how samples are split into batches and micro-batches.

#include "engine/model/batches.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

namespace convoy::engine {
namespace {

TEST(MicroBatches, AreAsManyAsWantedWhereTheSamplesAreEnough) {
  EXPECT_EQ(microbatches_of(8, 4, false), 4);
  EXPECT_EQ(microbatches_of(3, 4, false), 3);
  EXPECT_EQ(microbatches_of(7, 4, true), 3);
  EXPECT_EQ(microbatches_of(1, 4, true), 1);
  EXPECT_TRUE(rc::check([] {
    const std::int64_t samples = *rc::gen::inRange(1, 200);
    const int wanted = *rc::gen::inRange(1, 100);
    const bool two = *rc::gen::arbitrary<bool>();
    const int count = microbatches_of(samples, wanted, two);
    RC_ASSERT(count >= 1 && count <= wanted);
    std::set<std::int64_t> sizes;
    for (int m = 0; m < count; ++m) {
      sizes.insert(begin_of_microbatch(samples, m + 1, count) -
                   begin_of_microbatch(samples, m, count));
    }
    RC_ASSERT(begin_of_microbatch(samples, 0, count) == 0);
    RC_ASSERT(begin_of_microbatch(samples, count, count) == samples);
    RC_ASSERT(*sizes.rbegin() - *sizes.begin() <= 1);
    const std::int64_t least = two ? std::min<std::int64_t>(samples, 2) : 1;
    RC_ASSERT(*sizes.begin() >= least);
    if (count < wanted) RC_ASSERT(samples / (count + 1) < least);  // no more would do
  }));
}

}  // namespace
}  // namespace convoy::engine
