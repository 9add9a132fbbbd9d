#pragma once

// Checks whether a real node's update counts: it must be a valid result of its task (the engine
// checks this), be trained on the node's number of samples, and be finite.

#include <string>

#include "engine/api/engine.hpp"
#include "sim/task/event.hpp"

namespace convoy::hil {

struct CheckedUpdate {
  engine::Outcome outcome;
  std::string trouble;  // problem of the node's update; empty: the update counts
  sim::Cause cause = sim::Cause::refused;
};

// `box` is completely received, `header` describes it. `samples`: the node's training samples.
CheckedUpdate check_update(const engine::Engine& engine, engine::Unpacking& box,
                           const std::string& header, const engine::TaskInput& input,
                           std::int64_t samples);

}  // namespace convoy::hil
