#pragma once

// Chooses the members of the prunable groups that a node keeps: by Bernoulli gates learned on its
// own data (Co-S2P, arXiv 2410.08457 and its code), by their importance there, or by other rules.
//
// A gate multiplies everything that its member produces: its rows of the weight, their bias, and
// the norm after it. Forward: g ~ Bernoulli(p), p = sigmoid(logit). Backward (straight through):
// dL/dp = dL/dg x p, then through the sigmoid.

#include "engine/api/options.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Scores by group; the highest are kept. Groups beyond the submodel's depth have empty tensors.
using Scores = Tensors;

// Keeps in each group of the first `depth` blocks the round(rate x size) members (at least 1) with
// the highest scores; equal scores: the first members.
Submodel keep_highest(const Layout& layout, const Scores& scores, int depth, double rate);

// Random scores, drawn once for a node.
Scores random_scores(const Layout& layout, int depth, std::uint64_t seed, int node);
// L1 norms of each member's rows in the full `weights`.
Scores magnitude_scores(const Layout& layout, const Tensors& weights, int depth);

class Gates {
 public:
  // New logits: near logit(rate), slightly different to avoid ties; or N(0, 2/n) (the code).
  Gates(const Layout& layout, int depth, double rate, bool normal_logits,
        const at::Generator& generator);
  // Continues with given logits.
  Gates(const Layout& layout, int depth, double rate, Tensors logits);

  // Opens all gates, for importance().
  void open();
  // |dL/dg| by group, for the loss of the last backward: how far the loss would change to first
  // order if a member were missing, which is |sum of gradient x weight| over what it produces
  // (Michel et al. 2019, arXiv 1905.10650; Molchanov et al. 2019, arXiv 1906.10771).
  [[nodiscard]] Scores importance() const;

  // Draws the gates of one step. A group with all gates at 0 is drawn again.
  void draw(at::Generator& generator);
  // Tensor `number` of the layout (of full width at that depth), its rows multiplied by the drawn
  // gates; unchanged if it has no gates. The gates are leaves of the graph: they have their
  // gradients after backward.
  [[nodiscard]] Tensor gated(std::size_t number, const Tensor& tensor) const;
  // |mean of freshly drawn gates - rate|. Draws gates; call before gradients().
  double rate_error(at::Generator& generator);
  // dL/dlogit by group, for the loss of the last backward plus lambda x rate_error().
  [[nodiscard]] Tensors gradients(double lambda) const;

  [[nodiscard]] std::int64_t count() const;  // number of all gates
  [[nodiscard]] const Tensors& logits() const { return logits_; }
  // The final submodel: by the highest logits, or drawn (each group until one member is kept).
  [[nodiscard]] Submodel submodel(bool sampled, at::Generator& generator) const;

 private:
  const Layout& layout_;
  int depth_;
  double rate_;
  Tensors logits_;            // by group, float [size]; undefined beyond the depth
  Tensors drawn_;             // 0 or 1, with a gradient
  std::vector<Tensor> rows_;  // by tensor: the member of each row, or undefined
  double slope_ = 0;          // derivative of the rate term by a gate: sign / count()
};

}  // namespace convoy::engine
