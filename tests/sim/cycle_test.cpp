#include "sim/world/cycle.hpp"

#include <gtest/gtest.h>

namespace convoy::sim {
namespace {

TEST(Cycle, ABoundaryBelongsToWhatFollowsIt) {
  const BackgroundLoad load{0.5, 10, 4, 3};  // busy in [3, 7), [13, 17), ...
  EXPECT_FALSE(phase_at(load, 0).busy);
  EXPECT_EQ(phase_at(load, 0).until, 3);
  EXPECT_TRUE(phase_at(load, 3).busy);
  EXPECT_EQ(phase_at(load, 3).until, 7);
  EXPECT_FALSE(phase_at(load, 7).busy);
  EXPECT_EQ(phase_at(load, 7).until, 13);
  EXPECT_TRUE(phase_at(load, 13 - 1e-12).busy);
}

TEST(Cycle, AlwaysLeadsOnwardsHoweverLateItIs) {
  for (const double period : {1e-3, 0.1, 7.0}) {
    for (const double start : {0.0, 16'387.0, 3.3e7, 1e10}) {
      const BackgroundLoad load{0.5, period, period / 3, 0.01};
      double time = start;
      for (int i = 0; i < 2000; ++i) {
        const double until = phase_at(load, time).until;
        ASSERT_GT(until, time) << "period " << period << " at " << time;
        time = until;
      }
    }
  }
}

TEST(Cycle, AConstantLoadNeverChanges) {
  EXPECT_TRUE(phase_at({0.5}, 12).busy);
  EXPECT_TRUE(std::isinf(phase_at({0.5}, 12).until));
}

}  // namespace
}  // namespace convoy::sim
