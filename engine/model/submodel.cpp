#include "engine/model/submodel.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "engine/model/elements.hpp"

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

std::vector<int> sizes_of(const Submodel& submodel) {
  std::vector<int> sizes;
  for (const auto& kept : submodel.kept) sizes.push_back(static_cast<int>(kept.size()));
  return sizes;
}

Submodel submodel_of_sizes(int depth, const std::vector<int>& sizes) {
  Submodel submodel;
  submodel.depth = depth;
  for (const int size : sizes) {
    submodel.kept.emplace_back(static_cast<std::size_t>(size));
    std::iota(submodel.kept.back().begin(), submodel.kept.back().end(), 0);
  }
  return submodel;
}

double kept_share(const Architecture& architecture, const Submodel& submodel) {
  double all = 0;
  double kept = 0;
  if (!submodel.elements.empty()) {
    const std::vector<ParameterTensor> tensors = parameter_tensors(architecture);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!is_prunable(tensors[i])) continue;
      all += static_cast<double>(tensors[i].elements());
      kept += static_cast<double>(submodel.elements.at(i));
    }
    return kept / all;
  }
  for (std::size_t g = 0; g < architecture.groups.size(); ++g) {
    if (architecture.groups[g].block >= submodel.depth) continue;
    all += architecture.groups[g].size;
    kept += submodel.members(static_cast<int>(g));
  }
  return all > 0 ? kept / all : 1;
}

Submodel union_of(const Architecture& architecture, const std::vector<Submodel>& submodels) {
  Submodel all;
  all.kept.resize(architecture.groups.size());
  for (const Submodel& s : submodels) {
    all.depth = std::max(all.depth, s.depth);
    for (std::size_t g = 0; g < all.kept.size(); ++g) {
      std::vector<int> both;
      std::set_union(all.kept[g].begin(), all.kept[g].end(), s.kept[g].begin(), s.kept[g].end(),
                     std::back_inserter(both));
      all.kept[g] = std::move(both);
    }
  }
  return all;
}

Submodel full_submodel(const Architecture& architecture) {
  return prefix(architecture, architecture.depth(), 1.0);
}

int depth_at(const Architecture& architecture, double rate, bool all_blocks) {
  if (all_blocks) rate = 1;
  // A rate such as 0.3 of 10 blocks is 3, whatever its last bit says.
  const int depth = std::max(1, static_cast<int>(std::floor(architecture.depth() * rate + 1e-9)));
  const auto exit = architecture.exit_at(depth);
  return exit ? architecture.exits[static_cast<std::size_t>(*exit)].after : depth;
}

Submodel depth_submodel(const Architecture& architecture, double rate, bool all_blocks) {
  return prefix(architecture, depth_at(architecture, rate, all_blocks), 1.0);
}

Submodel nested_submodel(const Architecture& architecture, double rate, bool all_blocks) {
  return prefix(architecture, depth_at(architecture, rate, all_blocks), rate);
}

}  // namespace convoy::engine
