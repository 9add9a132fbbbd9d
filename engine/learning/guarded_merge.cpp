#include "engine/learning/guarded_merge.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace convoy::engine {
namespace {

constexpr std::size_t sizes_remembered = 64;

// Root mean square of the parameters' changes.
double size_of(const Layout& layout, const TensorUpdate& update) {
  double squares = 0;
  double elements = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].buffer || !update.has(i)) continue;
    const Tensor t = update.tensor(i);
    squares += t.to(at::kDouble).square().sum().item<double>();
    elements += static_cast<double>(t.numel());
  }
  return elements > 0 ? std::sqrt(squares / elements) : 0;
}

double largest_change(const Layout& layout, const Received& received) {
  double most = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].buffer || !received.update->has(i)) continue;
    most = std::max(most, brought(layout, received, i).abs().max().item<double>());
  }
  return most;
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// The updates scaled to the bound.
class Bounded {
 public:
  Bounded(const Layout& layout, double bound, std::vector<Received> updates,
          const std::vector<double>& before)
      : updates_(std::move(updates)) {
    if (bound <= 0) return;
    std::vector<double> sizes;
    for (const Received& r : updates_) sizes.push_back(size_of(layout, *r.update));
    for (std::size_t u = 0; u < updates_.size(); ++u) {
      std::vector<double> others = before;
      for (std::size_t v = 0; v < sizes.size(); ++v) {
        if (v != u) others.push_back(sizes[v]);
      }
      const double most = bound * median_of(std::move(others));
      if (most > 0 && sizes[u] > most) {
        updates_[u].scale = most / sizes[u];
        limited_.push_back(u);
        sizes_.push_back(most);
      } else {
        sizes_.push_back(sizes[u]);
      }
    }
  }

  [[nodiscard]] const std::vector<Received>& updates() const { return updates_; }
  [[nodiscard]] const std::vector<std::size_t>& limited() const { return limited_; }
  // Present sizes by update; empty without a bound.
  [[nodiscard]] const std::vector<double>& sizes() const { return sizes_; }

 private:
  std::vector<Received> updates_;
  std::vector<std::size_t> limited_;
  std::vector<double> sizes_;
};

// The result if every update is left out.
Merged unchanged(const Layout& layout, const TensorWeights& current, const RuleState* state) {
  Merged merged;
  merged.weights = current.tensors;
  merged.trained = current.trained;
  if (state != nullptr) merged.state = *state;
  merged.report.coverage_min = 0;
  merged.report.shares_sum = 0;
  merged.report.untrained =
      untrained_share(layout, current.trained, std::vector<bool>(layout.size(), true));
  return merged;
}

bool is_sound(const Merged& merged) {
  return is_finite(merged.weights) &&
         std::all_of(merged.state.slots.begin(), merged.state.slots.end(),
                     [](const Tensors& slot) { return is_finite(slot); });
}

}  // namespace

Merged merge_guarded(const Layout& layout, const AggregationOptions& options,
                     const TensorWeights& current, std::int64_t version,
                     const std::vector<Received>& updates, const RuleState* state,
                     const Others& others) {
  const std::vector<double> before = state != nullptr ? state->sizes : std::vector<double>();
  const Bounded bounded(layout, options.norm_bound, updates, before);
  std::vector<std::size_t> taken(updates.size());
  std::iota(taken.begin(), taken.end(), 0);
  Merged merged;
  for (;;) {
    std::vector<Received> given;
    for (const std::size_t u : taken) given.push_back(bounded.updates()[u]);
    merged = merge(layout, *options.rule, current, version, given, state, others);
    if (is_sound(merged)) break;
    std::vector<double> changes;
    for (const Received& r : given) changes.push_back(largest_change(layout, r));
    const auto largest = std::max_element(changes.begin(), changes.end());
    taken.erase(taken.begin() + (largest - changes.begin()));
    if (!taken.empty()) continue;
    merged = unchanged(layout, current, state);
    break;
  }
  AggregationReport& report = merged.report;
  std::vector<double> shares(updates.size(), 0);
  for (std::size_t i = 0; i < taken.size(); ++i) shares[taken[i]] = report.shares[i];
  report.shares = std::move(shares);
  report.limited = bounded.limited();
  for (std::size_t u = 0; u < updates.size(); ++u) {
    if (!std::binary_search(taken.begin(), taken.end(), u)) report.left_out.push_back(u);
  }
  if (options.norm_bound > 0) {
    std::vector<double>& sizes = merged.state.sizes;
    sizes = before;
    for (const std::size_t u : taken) sizes.push_back(bounded.sizes()[u]);
    if (sizes.size() > sizes_remembered) {
      sizes.erase(sizes.begin(), sizes.end() - static_cast<std::ptrdiff_t>(sizes_remembered));
    }
  }
  return merged;
}

}  // namespace convoy::engine
