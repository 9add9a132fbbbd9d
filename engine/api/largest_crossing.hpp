#pragma once

// How large a parcel with what crosses between two nodes may be.

#include "engine/api/engine.hpp"

namespace convoy::engine {

// For a task; see engine/model/stage.hpp. In bytes.
inline std::uint64_t largest_crossing(const Architecture& architecture, const TaskInput& input) {
  return largest_crossing(architecture, input.brief.batch);
}

}  // namespace convoy::engine
