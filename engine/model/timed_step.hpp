#pragma once

// A measurement on a device: the time of a known step. A single operator is a step of one kernel.

#include <string>

#include "engine/model/costs.hpp"

namespace convoy::engine {

struct TimedStep {
  std::string name;  // "cnn-small, batch 8, sgd_momentum"
  StepCost cost;
  double seconds = 0;  // median of the repetitions
  double spread = 0;   // distance of the median from the fastest repetition, relative
};

}  // namespace convoy::engine
