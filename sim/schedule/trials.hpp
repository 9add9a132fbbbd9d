#pragma once

// Tasks one after another, to see how long each takes in the simulation: for `convoy plan`.

#include <memory>
#include <string>
#include <vector>

#include "sim/schedule/pipeline_round.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::sim {

struct Trial {
  double seconds = 0;
  std::string failure;  // why it came to nothing; empty: it was done
};

// A schedule that gives these tasks, each when the one before has ended, and then ends the run.
// `trials`: filled meanwhile, by task; shared with the schedule.
ScheduleSpec trials_of(std::vector<PipelineTask> tasks, std::shared_ptr<std::vector<Trial>> trials);

}  // namespace convoy::sim
