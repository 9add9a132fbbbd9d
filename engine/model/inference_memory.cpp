#include <algorithm>

#include "engine/model/costs.hpp"
#include "engine/model/last_uses.hpp"

namespace convoy::engine {

// A value is freed after the last layer that reads it, as in engine/learning/network.cpp. Views
// count as values of their own.
double inference_memory(const Trace& trace, int batch) {
  const std::vector<std::vector<int>> released = released_after(trace);
  std::vector<double> held(static_cast<std::size_t>(trace.tensors), 0);
  held[0] = trace.layers.front().in.elements();
  double now = held[0];
  double most = now;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const TracedLayer& t = trace.layers[i];
    held[static_cast<std::size_t>(t.output)] = t.out.elements();
    now += t.out.elements();
    most = std::max(most, now);
    for (const int tensor : released[i]) now -= held[static_cast<std::size_t>(tensor)];
  }
  return bytes_per_value * (most * batch + trace.parameters() + trace.buffers());
}

}  // namespace convoy::engine
