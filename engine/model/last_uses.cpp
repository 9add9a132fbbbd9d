#include "engine/model/last_uses.hpp"

#include "engine/model/stage.hpp"

namespace convoy::engine {

std::vector<int> last_uses(const Trace& trace) {
  std::vector<int> last(static_cast<std::size_t>(trace.tensors), -1);
  int i = 0;
  for (const TracedLayer& t : trace.layers) {
    for (const int input : t.inputs) last[static_cast<std::size_t>(input)] = i;
    if (t.layer->kind == LayerKind::attention && is_token_numbers(trace, 0)) last[0] = i;
    ++i;
  }
  return last;
}

std::vector<std::vector<int>> released_after(const Trace& trace) {
  std::vector<std::vector<int>> released(trace.layers.size());
  const std::vector<int> last = last_uses(trace);
  for (std::size_t tensor = 0; tensor < last.size(); ++tensor) {
    if (last[tensor] < 0) continue;
    released[static_cast<std::size_t>(last[tensor])].push_back(static_cast<int>(tensor));
  }
  return released;
}

}  // namespace convoy::engine
