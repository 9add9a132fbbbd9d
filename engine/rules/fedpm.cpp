#include "engine/rules/fedpm.hpp"

#include <cmath>

namespace convoy::engine {
namespace {

class MeanOfMasks : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "fedpm"; }
  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    return in_proportion(std::vector<double>(updates.size(), 1));
  }
  void combine(const Elements& e, std::span<double> change) const override {
    for (std::size_t i = 0; i < e.size; ++i) {
      if (e.holders[i] == 0) continue;
      const double p = e.sum[i] / e.weight[i];
      change[i] = std::log(p / (1 - p)) - e.current[i];
    }
  }
};

}  // namespace

std::shared_ptr<const Rule> mean_of_masks() { return std::make_shared<const MeanOfMasks>(); }

}  // namespace convoy::engine
