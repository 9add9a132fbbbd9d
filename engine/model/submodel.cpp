#include "engine/model/submodel.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace convoy::engine {
namespace {

Submodel prefix(const Architecture& architecture, int depth, double width) {
  Submodel submodel;
  submodel.depth = depth;
  for (const Group& group : architecture.groups) {
    const int count = static_cast<int>(std::lround(group.size * width));
    std::vector<int> kept(group.block < depth ? static_cast<std::size_t>(std::max(1, count)) : 0);
    std::iota(kept.begin(), kept.end(), 0);
    submodel.kept.push_back(std::move(kept));
  }
  return submodel;
}

}  // namespace

Submodel full_submodel(const Architecture& architecture) {
  return prefix(architecture, architecture.depth(), 1.0);
}

int depth_at(const Architecture& architecture, double rate) {
  // A rate such as 0.3 of 10 blocks is 3, whatever its last bit says.
  const int depth = std::max(1, static_cast<int>(std::floor(architecture.depth() * rate + 1e-9)));
  const auto exit = architecture.exit_at(depth);
  return exit ? architecture.exits[static_cast<std::size_t>(*exit)].after : depth;
}

Submodel depth_submodel(const Architecture& architecture, double rate) {
  return prefix(architecture, depth_at(architecture, rate), 1.0);
}

Submodel nested_submodel(const Architecture& architecture, double rate) {
  return prefix(architecture, depth_at(architecture, rate), rate);
}

}  // namespace convoy::engine
