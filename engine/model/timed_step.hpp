#pragma once

// What was measured of a device: how long a step that is known took there. A single operator is a
// step of one kernel.

#include <string>

#include "engine/model/costs.hpp"

namespace convoy::engine {

struct TimedStep {
  std::string name;  // "cnn-small, batch 8, sgd_momentum"
  StepCost cost;
  double seconds = 0;  // the middle of the repetitions
  double spread = 0;   // how far that lies above the fastest repetition, as a share
};

}  // namespace convoy::engine
