// Where a run ends that reaches its goal exactly.

#include <gtest/gtest.h>

#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

// Two updates an aggregation: the second one brings the fourth.
TEST(Stops, TasksThatAreReachedExactlyEndTheRun) {
  const test::ScenarioRun run(test::simple_scenario({{"", ""}, "kind = \"fedavg\"", "tasks = 4"}));
  EXPECT_EQ(run.summary().rounds, 2);
  EXPECT_EQ(run.summary().tasks_aggregated, 4);
}

}  // namespace
}  // namespace convoy::sim
