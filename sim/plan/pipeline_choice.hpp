#pragma once

// Ours: the best of many plans by round_on_lanes(), whoever made them. Asteroid's closed form takes
// a cut for one resource over which every micro-batch goes whole, there and back; so it passes over
// plans whose groups send each other their parts at the same time, as DAPPLE's may.
//
//   PipelinePlan plan = plan_by_lanes(problem, {.order = DeviceOrder::search});
//
// Judged are Asteroid's plans, by memory and searched, as they are and for cuts that are several
// times as fast; those of DAPPLE, PipeDream with a flush, data parallelism, one device alone, and
// the smallest largest step. The best is then changed as long as that makes it faster: a boundary
// shifts by a layer, a device goes to another group or stays idle, two devices change places, two
// stages become one, a stage becomes two. At most `most_changes` plans are judged in this. The
// result is no slower, by that judgment, than any of the plans it began with.

#include "sim/plan/asteroid.hpp"

namespace convoy::sim {

struct ChoiceOptions {
  AsteroidOptions search = {.order = DeviceOrder::search};
  int most_changes = 4000;  // at least 0
};

// A plan with 1F1B that fits the memories. Throws base::UserError where no plan was found that
// does.
PipelinePlan plan_by_lanes(const PipelineProblem& problem, const ChoiceOptions& options);

}  // namespace convoy::sim
