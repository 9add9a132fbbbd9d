#include "engine/model/windows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace convoy::engine {
namespace {

// Of each group as many as there are, from where `first` says: the number of a member of so many.
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
  // 3 of 7 of 14 members is 6, whatever the last bit of the place says.
  return from_there(architecture, std::move(submodel),
                    [&](int n) { return static_cast<int>(std::floor(n * place + 1e-9)); });
}

}  // namespace convoy::engine
