// Tests the end of a run that reaches its goal exactly.

#include <gtest/gtest.h>

#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

// Two updates per aggregation: the second aggregation has the fourth update.
TEST(Stops, TasksThatAreReachedExactlyEndTheRun) {
  const test::ScenarioRun run(test::simple_scenario({{"", ""}, "kind = \"fedavg\"", "tasks = 4"}));
  EXPECT_EQ(run.summary().rounds, 2);
  EXPECT_EQ(run.summary().tasks_aggregated, 4);
}

}  // namespace
}  // namespace convoy::sim
