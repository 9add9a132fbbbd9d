#include "engine/learning/gates.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.hpp"

namespace convoy::engine {
namespace {

constexpr double logit_spread = 0.01;  // deviation of new logits around logit(rate)
constexpr double sharpest = 0.999;     // limit for the rate: 1 has no finite logit
constexpr int draws_at_most = 100;     // limit of draws until a gate is open

bool within(const Group& group, int depth) { return group.block < depth; }

// Draws until a gate is open; after the limit opens the most probable one.
Tensor draw_some(const Tensor& p, at::Generator& generator) {
  for (int i = 0; i < draws_at_most; ++i) {
    Tensor gates = at::bernoulli(p, generator);
    if (gates.any().item<bool>()) return gates;
  }
  Tensor gates = at::zeros_like(p);
  gates[p.argmax().item<std::int64_t>()] = 1;
  return gates;
}

}  // namespace

Submodel keep_highest(const Layout& layout, const Scores& scores, int depth, double rate) {
  const Architecture& a = *layout.architecture;
  Submodel submodel;
  submodel.depth = depth;
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    std::vector<int> kept;
    if (within(a.groups[g], depth)) {
      const int size = a.groups[g].size;
      const Tensor values = scores[g].to(at::kDouble).contiguous();
      const double* score = values.data_ptr<double>();
      kept.resize(static_cast<std::size_t>(size));
      std::iota(kept.begin(), kept.end(), 0);
      std::stable_sort(kept.begin(), kept.end(), [&](int x, int y) { return score[x] > score[y]; });
      kept.resize(
          static_cast<std::size_t>(std::max(1, static_cast<int>(std::lround(size * rate)))));
      std::sort(kept.begin(), kept.end());
    }
    submodel.kept.push_back(std::move(kept));
  }
  return submodel;
}

Scores random_scores(const Layout& layout, int depth, std::uint64_t seed, int node) {
  constexpr std::uint64_t purpose = 0x6d61736bULL;
  base::Random random({seed, purpose, static_cast<std::uint64_t>(node)});
  Scores scores;
  for (const Group& group : layout.architecture->groups) {
    std::vector<double> values(static_cast<std::size_t>(group.size));
    for (double& v : values) v = random.uniform();
    scores.push_back(within(group, depth) ? at::tensor(values, at::kDouble) : Tensor());
  }
  return scores;
}

Scores magnitude_scores(const Layout& layout, const Tensors& weights, int depth) {
  const Architecture& a = *layout.architecture;
  Scores scores;
  for (const Group& group : a.groups) {
    scores.push_back(within(group, depth) ? at::zeros({group.size}, at::kDouble) : Tensor());
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (p.row_group < 0 || p.role != TensorRole::weight) continue;
    Tensor& score = scores[static_cast<std::size_t>(p.row_group)];
    if (!score.defined()) continue;
    const Tensor rows = weights[i].abs().flatten(1).sum(1, false, at::kDouble);
    score.index_add_(0, at::tensor(members_of_rows(p, a), at::kLong), rows);
  }
  return scores;
}

Gates::Gates(const Layout& layout, int depth, double rate, bool normal_logits,
             const at::Generator& generator)
    : Gates(layout, depth, rate, Tensors(layout.architecture->groups.size())) {
  const double p = std::min(rate, sharpest);
  const double middle = normal_logits ? 0 : std::log(p / (1 - p));
  for (std::size_t g = 0; g < logits_.size(); ++g) {
    const Group& group = layout.architecture->groups[g];
    if (!within(group, depth)) continue;
    const double deviation = normal_logits ? std::sqrt(2.0 / group.size) : logit_spread;
    logits_[g] = at::empty({group.size}).normal_(middle, deviation, generator);
  }
}

Gates::Gates(const Layout& layout, int depth, double rate, Tensors logits)
    : layout_(layout), depth_(depth), rate_(rate), logits_(std::move(logits)) {
  for (Tensor& l : logits_) {
    if (l.defined()) l = l.clone();
  }
  for (const ParameterTensor& p : layout.tensors) {
    const bool has = p.gated && p.row_group >= 0 && !p.buffer;
    rows_.push_back(has ? at::tensor(members_of_rows(p, *layout.architecture), at::kLong)
                        : Tensor());
  }
}

void Gates::open() {
  drawn_.assign(logits_.size(), Tensor());
  for (std::size_t g = 0; g < logits_.size(); ++g) {
    if (logits_[g].defined()) drawn_[g] = at::ones_like(logits_[g]).requires_grad_();
  }
}

Scores Gates::importance() const {
  Scores scores(drawn_.size());
  for (std::size_t g = 0; g < drawn_.size(); ++g) {
    if (!drawn_[g].defined()) continue;
    const Tensor& slope = drawn_[g].grad();
    scores[g] =
        slope.defined() ? slope.abs().to(at::kDouble) : at::zeros(drawn_[g].sizes(), at::kDouble);
  }
  return scores;
}

void Gates::draw(at::Generator& generator) {
  drawn_.assign(logits_.size(), Tensor());
  for (std::size_t g = 0; g < logits_.size(); ++g) {
    if (!logits_[g].defined()) continue;
    drawn_[g] = draw_some(logits_[g].sigmoid(), generator).requires_grad_();
  }
}

Tensor Gates::gated(std::size_t number, const Tensor& tensor) const {
  const Tensor& rows = rows_[number];
  if (!tensor.defined() || !rows.defined()) return tensor;
  const Tensor& gate = drawn_[static_cast<std::size_t>(layout_.tensors[number].row_group)];
  std::vector<std::int64_t> shape(static_cast<std::size_t>(tensor.dim()), 1);
  shape[0] = -1;
  return tensor * gate.index_select(0, rows).view(shape).to(tensor.device());
}

std::int64_t Gates::count() const {
  std::int64_t count = 0;
  for (const Tensor& l : logits_) count += l.defined() ? l.numel() : 0;
  return count;
}

double Gates::rate_error(at::Generator& generator) {
  double open = 0;
  for (const Tensor& l : logits_) {
    if (l.defined()) open += at::bernoulli(l.sigmoid(), generator).sum().item<double>();
  }
  const auto all = static_cast<double>(count());
  const double error = open / all - rate_;
  slope_ = (error > 0 ? 1.0 : error < 0 ? -1.0 : 0.0) / all;
  return std::abs(error);
}

Tensors Gates::gradients(double lambda) const {
  const at::NoGradGuard no_grad;
  Tensors result(logits_.size());
  for (std::size_t g = 0; g < logits_.size(); ++g) {
    if (!logits_[g].defined()) continue;
    const Tensor p = logits_[g].sigmoid();
    Tensor by_gate = at::full_like(p, lambda * slope_);
    if (drawn_[g].grad().defined()) by_gate.add_(drawn_[g].grad());
    // Straight through: times p; then the derivative of the sigmoid.
    result[g] = by_gate * p * (p * (1 - p));
  }
  return result;
}

Submodel Gates::submodel(bool sampled, at::Generator& generator) const {
  if (!sampled) return keep_highest(layout_, logits_, depth_, rate_);
  Submodel submodel;
  submodel.depth = depth_;
  for (const Tensor& l : logits_) {
    std::vector<int> kept;
    if (l.defined()) {
      const Tensor gates = draw_some(l.sigmoid(), generator).to(at::kInt);
      const int* open_gates = gates.data_ptr<int>();
      for (int i = 0; i < gates.numel(); ++i) {
        if (open_gates[i] != 0) kept.push_back(i);
      }
    }
    submodel.kept.push_back(std::move(kept));
  }
  return submodel;
}

}  // namespace convoy::engine
