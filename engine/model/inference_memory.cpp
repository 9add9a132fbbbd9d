#include <algorithm>
#include <utility>

#include "engine/model/costs.hpp"

namespace convoy::engine {

// A value is freed after the last layer that reads it, as in engine/learning/network.cpp. Views
// count as values of their own.
double inference_memory(const Trace& trace, int batch) {
  std::vector<std::size_t> last_use(static_cast<std::size_t>(trace.tensors), 0);
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    for (const int input : trace.layers[i].inputs) last_use[static_cast<std::size_t>(input)] = i;
  }
  std::vector<double> held(static_cast<std::size_t>(trace.tensors), 0);
  held[0] = trace.layers.front().in.elements();
  double now = held[0];
  double most = now;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const TracedLayer& t = trace.layers[i];
    held[static_cast<std::size_t>(t.output)] = t.out.elements();
    now += t.out.elements();
    most = std::max(most, now);
    for (const int input : t.inputs) {
      double& value = held[static_cast<std::size_t>(input)];
      if (last_use[static_cast<std::size_t>(input)] == i) now -= std::exchange(value, 0);
    }
  }
  return bytes_per_value * (most * batch + trace.parameters() + trace.buffers());
}

}  // namespace convoy::engine
