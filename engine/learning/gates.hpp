#pragma once

// Which members of the prunable groups a node keeps: Bernoulli gates learned on its own data
// (Co-S2P, arXiv 2410.08457 and its code), or chosen by other rules.
//
// A gate multiplies all that its member makes: its rows of the weight, their bias, the norm that
// follows. Forward g ~ Bernoulli(p), p = sigmoid(logit); backward, straight through,
// dL/dp = dL/dg x p, then through the sigmoid.

#include "engine/api/options.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Scores by group; the highest are kept. Empty tensors for groups beyond the submodel's depth.
using Scores = Tensors;

// Of each group of the first `depth` blocks, the round(rate x size) members (at least 1) with the
// highest scores; of equal ones those in front.
Submodel keep_highest(const Layout& layout, const Scores& scores, int depth, double rate);

// Drawn once for a node.
Scores random_scores(const Layout& layout, int depth, std::uint64_t seed, int node);
// L1 norm of the rows that a member makes, of the weights given (full).
Scores magnitude_scores(const Layout& layout, const Tensors& weights, int depth);

class Gates {
 public:
  // New logits: near logit(rate), a little apart so that none are equal; or N(0, 2/n) (the code).
  Gates(const Layout& layout, int depth, double rate, bool normal_logits,
        const at::Generator& generator);
  // Goes on from logits.
  Gates(const Layout& layout, int depth, double rate, Tensors logits);

  // Draws gates for one step. A group whose gates are all 0 is drawn again.
  void draw(at::Generator& generator);
  // A tensor (by its number in the layout; of the full width of that depth) with the drawn gates on
  // its rows, or as it is where it has none. The gates are leaves of the graph: after backward
  // their gradients are there.
  [[nodiscard]] Tensor gated(std::size_t number, const Tensor& tensor) const;
  // |mean of freshly drawn gates - rate|. Draws them; call before gradients().
  double rate_error(at::Generator& generator);
  // dL/dlogit by group: of the loss that was run backward, and of lambda x rate_error().
  [[nodiscard]] Tensors gradients(double lambda) const;

  [[nodiscard]] std::int64_t count() const;  // of all gates
  [[nodiscard]] const Tensors& logits() const { return logits_; }
  // The final mask: the highest logits, or drawn (each group until one is kept).
  [[nodiscard]] Submodel submodel(bool sampled, at::Generator& generator) const;

 private:
  const Layout& layout_;
  int depth_;
  double rate_;
  Tensors logits_;            // by group, float [size]; undefined beyond the depth
  Tensors drawn_;             // 0 or 1, with a gradient
  std::vector<Tensor> rows_;  // by tensor: the member of each row, or undefined
  double slope_ = 0;          // of the rate term by a gate: its sign / count()
};

}  // namespace convoy::engine
