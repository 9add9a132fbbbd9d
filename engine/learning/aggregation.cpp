#include "engine/learning/aggregation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy::engine {
namespace {

double l1(const Tensor& t) { return t.abs().sum(at::kDouble).item<double>(); }

// |a - b|_1 over the parameters.
double distance(const Layout& layout, const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!layout.tensors[i].buffer && !a[i].is_same(b[i])) sum += l1(a[i] - b[i]);
  }
  return sum;
}

double norm(const Layout& layout, const Tensors& delta) {
  double sum = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!layout.tensors[i].buffer && delta[i].defined()) sum += l1(delta[i]);
  }
  return sum;
}

bool is_whole(const std::shared_ptr<const Marks>& trained) {
  return trained && trained->size() == 1;
}

// Scatters: the places of an update's slice in the full tensor (row mask x column mask), row by
// row; `visit(full, part, n)` is called for runs of n elements that lie side by side in both.
template <class Visit>
void for_each_run(const ParameterTensor& p, const Kept& kept, Visit visit) {
  const std::int64_t columns = p.shape.size() > 1 ? p.shape[1] : 1;
  const std::int64_t inner = p.elements() / (p.rows() * columns);  // of a kernel
  const std::int64_t rows =
      kept.rows.empty() ? p.rows() : static_cast<std::int64_t>(kept.rows.size());
  if (kept.rows.empty() && kept.columns.empty()) {
    visit(std::int64_t{0}, std::int64_t{0}, p.elements());
    return;
  }
  std::int64_t part = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = kept.rows.empty() ? r : kept.rows[static_cast<std::size_t>(r)];
    if (kept.columns.empty()) {
      visit(row * columns * inner, part, columns * inner);
      part += columns * inner;
      continue;
    }
    for (const std::int64_t column : kept.columns) {
      visit((row * columns + column) * inner, part, inner);
      part += inner;
    }
  }
}

// One tensor of the model: what the updates say of it.
class TensorMerge {
 public:
  explicit TensorMerge(const ParameterTensor& p)
      : p_(p),
        sum_(static_cast<std::size_t>(p.elements()), 0.0),
        weight_(sum_.size(), 0.0F),
        holders_(sum_.size(), 0) {}

  void add(const Tensor& delta, const Kept& kept, double share) {
    const Tensor values = delta.contiguous();
    const float* part = values.data_ptr<float>();
    const auto weight = static_cast<float>(share);
    for_each_run(p_, kept, [&](std::int64_t full, std::int64_t from, std::int64_t n) {
      double* sum = sum_.data() + full;
      float* weights = weight_.data() + full;
      std::uint32_t* holders = holders_.data() + full;
      for (std::int64_t i = 0; i < n; ++i) sum[i] += share * part[from + i];
      for (std::int64_t i = 0; i < n; ++i) weights[i] += weight;
      for (std::int64_t i = 0; i < n; ++i) ++holders[i];
    });
  }

  // `averaged`: divided by the weights of the updates that hold an element.
  [[nodiscard]] Tensor apply(const Tensor& current, bool averaged) const {
    Tensor next = current.clone();
    float* w = next.data_ptr<float>();
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      if (holders_[i] == 0) continue;
      const double change = averaged ? sum_[i] / weight_[i] : sum_[i];
      w[i] = static_cast<float>(w[i] + change);
    }
    return next;
  }

  [[nodiscard]] std::int64_t fewest_holders() const {
    return *std::min_element(holders_.begin(), holders_.end());
  }

  // Adds to what earlier updates have held; see Trained.
  void mark(std::shared_ptr<const Marks>& trained) const {
    if (is_whole(trained)) return;
    Marks marks = trained ? *trained : Marks(sum_.size(), 0);
    bool changed = false;
    for (std::size_t i = 0; i < sum_.size(); ++i) {
      if (holders_[i] == 0 || marks[i] != 0) continue;
      marks[i] = 1;
      changed = true;
    }
    if (!changed) return;
    if (std::find(marks.begin(), marks.end(), 0) == marks.end()) marks.assign(1, 1);
    trained = std::make_shared<const Marks>(std::move(marks));
  }

 private:
  const ParameterTensor& p_;
  std::vector<double> sum_;
  std::vector<float> weight_;
  std::vector<std::uint32_t> holders_;
};

}  // namespace

std::vector<double> shares_of(const Layout& layout, AggregationRule rule, const Tensors& current,
                              const std::vector<Received>& updates) {
  std::vector<double> shares;
  for (const Received& r : updates) {
    if (rule == AggregationRule::coverage) {
      shares.push_back(r.update->samples);
      continue;
    }
    const double size = norm(layout, r.update->delta);
    const double drift = distance(layout, current, r.base->tensors);
    const double scale = rule == AggregationRule::drift ? 1 + drift
                         : size > 0                     ? 1 + drift / size
                                                        : 1;
    shares.push_back(size / r.update->rate / scale);
  }
  double sum = 0;
  for (const double s : shares) sum += s;
  for (double& s : shares) s = sum > 0 ? s / sum : 1 / static_cast<double>(shares.size());
  return shares;
}

Merged merge(const Layout& layout, AggregationRule rule, const WeightsHeld& current,
             const std::vector<Received>& updates) {
  const Architecture& a = *layout.architecture;
  Merged merged;
  merged.shares = shares_of(layout, rule, current.tensors, updates);
  merged.trained = current.trained;
  merged.coverage_min = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const bool anybody = std::any_of(updates.begin(), updates.end(), [&](const Received& r) {
      return r.update->delta[i].defined();
    });
    if (!anybody) {
      merged.weights.push_back(current.tensors[i]);  // shared with the version before
      if (!p.buffer) merged.coverage_min = 0;
      continue;
    }
    TensorMerge tensor(p);
    for (std::size_t u = 0; u < updates.size(); ++u) {
      const UpdateHeld& update = *updates[u].update;
      if (!update.delta[i].defined()) continue;
      tensor.add(update.delta[i], kept_of(p, a, update.submodel), merged.shares[u]);
    }
    // Running statistics are averages whatever the rule.
    const bool averaged = rule == AggregationRule::coverage || p.buffer;
    merged.weights.push_back(tensor.apply(current.tensors[i], averaged));
    if (p.buffer) continue;
    merged.coverage_min = std::min(merged.coverage_min, tensor.fewest_holders());
    tensor.mark(merged.trained[i]);
  }
  merged.untrained =
      untrained_share(layout, merged.trained, std::vector<bool>(layout.size(), true));
  return merged;
}

double untrained_share(const Layout& layout, const Trained& trained,
                       const std::vector<bool>& counted) {
  double all = 0;
  double held = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (p.buffer || !counted[i]) continue;
    all += static_cast<double>(p.elements());
    if (is_whole(trained[i])) {
      held += static_cast<double>(p.elements());
    } else if (trained[i]) {
      held += static_cast<double>(std::count(trained[i]->begin(), trained[i]->end(), 1));
    }
  }
  return all > 0 ? 1 - held / all : 0;
}

}  // namespace convoy::engine
