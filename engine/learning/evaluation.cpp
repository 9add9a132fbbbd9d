#include "engine/learning/evaluation.hpp"

#include <algorithm>

#include "engine/learning/loss.hpp"

namespace convoy::engine {
namespace {

// Counts for one exit.
class Tally {
 public:
  explicit Tally(int classes)
      : right_(static_cast<std::size_t>(classes)), said_(right_.size()), there_(right_.size()) {}

  void add(const Tensor& scores, const Tensor& labels) {
    loss_ += at::cross_entropy_loss(scores, labels, {}, at::Reduction::Sum).item<double>();
    const std::int64_t five = std::min<std::int64_t>(5, scores.size(1));
    const Tensor best = std::get<1>(scores.topk(five, 1)).cpu().contiguous();
    const Tensor truth = labels.cpu().contiguous();
    const std::int64_t* b = best.data_ptr<std::int64_t>();
    const std::int64_t* y = truth.data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < truth.numel(); ++i, b += five) {
      ++count_;
      ++there_[static_cast<std::size_t>(y[i])];
      ++said_[static_cast<std::size_t>(b[0])];
      if (b[0] == y[i]) ++right_[static_cast<std::size_t>(y[i])];
      if (std::find(b, b + five, y[i]) != b + five) ++among_five_;
    }
  }

  [[nodiscard]] ExitScore result() const {
    ExitScore s;
    if (count_ == 0) return s;
    const auto n = static_cast<double>(count_);
    s.loss = loss_ / n;
    s.top5 = static_cast<double>(among_five_) / n;
    for (std::size_t c = 0; c < right_.size(); ++c) {
      s.top1 += static_cast<double>(right_[c]) / n;
      const auto both = static_cast<double>(said_[c] + there_[c]);
      // F1 = 2 TP / (2 TP + FP + FN); 0 for classes that neither occur nor are predicted.
      if (both > 0) {
        s.f1 += 2 * static_cast<double>(right_[c]) / both * static_cast<double>(there_[c]) / n;
      }
    }
    return s;
  }

 private:
  double loss_ = 0;
  std::int64_t count_ = 0;
  std::int64_t among_five_ = 0;
  std::vector<std::int64_t> right_;  // by class
  std::vector<std::int64_t> said_;
  std::vector<std::int64_t> there_;
};

Tensor mean_of_first(const Tensors& exits, std::size_t count) {
  Tensor sum = exits.front().clone();
  for (std::size_t e = 1; e < count; ++e) sum.add_(exits[e]);
  return sum.div_(static_cast<double>(count));
}

}  // namespace

std::size_t exits_in(const Architecture& architecture, const Submodel& submodel) {
  const auto deepest = architecture.exit_at(submodel.depth);
  return deepest ? static_cast<std::size_t>(*deepest) + 1 : 0;
}

std::vector<ExitScore> score(const Network& network, const Tensors& tensors, const Samples& samples,
                             std::span<const std::int64_t> indices, const Scoring& scoring,
                             const std::stop_token& stop) {
  const at::NoGradGuard no_grad;
  std::vector<Tally> tallies;
  const auto most = static_cast<std::size_t>(scoring.batch);
  for (std::size_t from = 0; from < indices.size(); from += most) {
    if (stop.stop_requested()) throw Stopped();
    const std::size_t n = std::min(most, indices.size() - from);
    const Batch data = samples.batch(indices.subspan(from, n));
    Tensors exits = network.forward(tensors, data.input, {});
    for (Tensor& exit : exits) exit = without_absent(exit, scoring.absent);
    if (scoring.together > 0) exits.push_back(mean_of_first(exits, scoring.together));
    if (tallies.empty()) tallies.assign(exits.size(), Tally(scoring.classes));
    for (std::size_t e = 0; e < exits.size(); ++e) tallies[e].add(exits[e], data.labels);
  }
  std::vector<ExitScore> scores;
  for (const Tally& tally : tallies) scores.push_back(tally.result());
  return scores;
}

}  // namespace convoy::engine
