#pragma once

// Where in a model something is needed for the last time: for costs, cuts, and the network itself.

#include <vector>

#include "engine/model/trace.hpp"

namespace convoy::engine {

// True for the last layer of an exit, whose output is the exit's scores.
inline bool ends_exit(const Trace& trace, std::size_t layer) {
  const TracedLayer& t = trace.layers[layer];
  return t.in_exit() &&
         (layer + 1 == trace.layers.size() || trace.layers[layer + 1].exit != t.exit);
}

// By tensor: the last layer that needs it, or -1. Token numbers are needed for the padding as long
// as there is attention.
std::vector<int> last_uses(const Trace& trace);

// By layer: the tensors that no later layer needs, in their order.
std::vector<std::vector<int>> released_after(const Trace& trace);

}  // namespace convoy::engine
