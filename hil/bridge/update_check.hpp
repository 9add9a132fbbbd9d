#pragma once

// Whether a real node's update counts: it must be one that its task can end with (the engine knows
// which), of as many samples as the node has, and finite.

#include <string>

#include "engine/api/engine.hpp"
#include "sim/task/event.hpp"

namespace convoy::hil {

struct CheckedUpdate {
  engine::Outcome outcome;
  std::string trouble;  // with the node's update; empty: it counts
  sim::Cause cause = sim::Cause::refused;
};

// `box` has all its bytes, of which `header` tells; `samples`: that the node trains on.
CheckedUpdate check_update(const engine::Engine& engine, engine::Unpacking& box,
                           const std::string& header, const engine::TaskInput& input,
                           std::int64_t samples);

}  // namespace convoy::hil
