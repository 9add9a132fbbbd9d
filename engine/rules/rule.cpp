#include "engine/rules/rule.hpp"

#include <algorithm>
#include <numeric>

namespace convoy::engine {

std::vector<double> in_proportion(std::vector<double> weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double equal = 1 / static_cast<double>(std::max<std::size_t>(1, weights.size()));
  for (double& w : weights) w = sum > 0 ? w / sum : equal;
  return weights;
}

std::vector<double> Rule::shares(const Updates& updates) const {
  std::vector<double> samples;
  for (std::size_t i = 0; i < updates.size(); ++i) samples.push_back(updates.facts(i).samples);
  return in_proportion(std::move(samples));
}

void Rule::combine(const Elements& e, std::span<double> change) const {
  for (std::size_t i = 0; i < e.size; ++i) change[i] = e.weight[i] > 0 ? e.sum[i] / e.weight[i] : 0;
}

}  // namespace convoy::engine
