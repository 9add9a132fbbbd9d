#pragma once

// The order of the events of one instant.

#include "sim/task/event.hpp"

namespace convoy::sim {

// By kind (in the order of EventKind), node, task, sequence.
bool comes_before(const Event& a, const Event& b);

}  // namespace convoy::sim
