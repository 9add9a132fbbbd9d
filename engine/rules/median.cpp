// Coordinate-wise median (Yin et al. 2018, arXiv 1803.01498): each parameter changes by the median
// of the changes of its holders (even numbers: the mean of the middle two). All updates have equal
// weight. The median is over changes, not values (ours; the same without staleness), since values
// of updates from different versions are not comparable.

#include <algorithm>

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class Median : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "median"; }
  [[nodiscard]] Needs needs() const override { return {.changes = true}; }

  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    return in_proportion(std::vector<double>(updates.size(), 1));
  }

  void combine(const Elements& e, std::span<double> change) const override {
    std::vector<float> values(e.updates);
    for (std::size_t i = 0; i < e.size; ++i) {
      std::size_t n = 0;
      for (std::size_t u = 0; u < e.updates; ++u) {
        if (e.holds[u][i] != 0) values[n++] = e.changes[u][i];
      }
      if (n == 0) continue;
      const auto begin = values.begin();
      const auto end = begin + static_cast<std::ptrdiff_t>(n);
      const auto middle = begin + static_cast<std::ptrdiff_t>(n / 2);
      std::nth_element(begin, middle, end);
      change[i] = *middle;
      if (n % 2 == 0) change[i] = (change[i] + *std::max_element(begin, middle)) / 2;
    }
  }
};

}  // namespace

namespace rules {
RuleKind median() {
  return {"median", "coordinate-wise median of the updates that hold a parameter",
          [](base::TableReader&) { return std::make_shared<const Median>(); }};
}
}  // namespace rules

}  // namespace convoy::engine
