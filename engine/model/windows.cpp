#include "engine/model/windows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace convoy::engine {
namespace {

// In each group keeps the same number of members, from member first(n) on, of n members in all.
template <class First>
Submodel from_there(const Architecture& architecture, Submodel submodel, First first) {
  for (std::size_t g = 0; g < submodel.kept.size(); ++g) {
    std::vector<int>& kept = submodel.kept[g];
    const int n = architecture.groups[g].size;
    std::iota(kept.begin(), kept.end(), first(n));
    for (int& member : kept) member %= n;
    std::sort(kept.begin(), kept.end());
  }
  return submodel;
}

}  // namespace

Submodel rolling_submodel(const Architecture& architecture, Submodel submodel, std::int64_t round) {
  return from_there(architecture, std::move(submodel),
                    [&](int n) { return static_cast<int>((n - round % n) % n); });
}

Submodel staggered_submodel(const Architecture& architecture, Submodel submodel, double place) {
  // 14 x 3/7 is 6, also if rounding makes the product slightly smaller.
  return from_there(architecture, std::move(submodel),
                    [&](int n) { return static_cast<int>(std::floor(n * place + 1e-9)); });
}

}  // namespace convoy::engine
