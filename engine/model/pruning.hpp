#pragma once

// PruneFL (Jiang et al. 2022, arXiv 1909.12326; code jiangyuang/PruneFL b499d3a): which weights of
// a model are kept, chosen anew by what a kept weight gains for the time that it costs. Numbers
// alone: no LibTorch.
//
// A reconfiguration. In each layer the kept weights that are smallest in magnitude are removed, a
// share of them. Then, of all weights that are removed now or were masked before, that with the
// largest g^2 / t_l is kept again, and so on, while
//
//     g^2 / t_l  >  Q / T
//
// g^2: its squared gradient; t_l: s that a kept weight of its layer adds to a round; Q: the sum of
// the squared gradients of all that is kept, biases and whatever is not prunable included; T: T_0
// (a round with no prunable weight) + sum over layers of t_l x kept weights. Each weight kept again
// adds to Q and T.
//
//   reconfigure(layers, {.removal = 0.3, .rest_s = 2, .other_squares = 7});

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/model/costs.hpp"

namespace convoy::engine {

// The weights of a prunable layer; the three have the same length.
struct PrunableLayer {
  std::span<const float> weights;   // as the server has them: also those that are masked
  std::span<const double> squares;  // squared gradients, >= 0
  std::span<std::uint8_t> kept;     // 1: kept, 0: masked; changed in place
  double seconds = 0;               // t_l, > 0
};

struct Reconfiguration {
  double removal = 0.3;      // share of a layer's kept weights, [0, 1)
  double max_density = 1;    // no weight is kept again above this share of all; (0, 1]
  double rest_s = 0;         // T_0
  double other_squares = 0;  // of what is not prunable
};

struct Reconfigured {
  std::int64_t removed = 0;
  std::int64_t revived = 0;  // of these, and of those that were masked before
  std::int64_t kept = 0;     // afterwards
};

// Changes the layers' masks. What is equally good: the first layer, and in it the first weight.
Reconfigured reconfigure(std::span<PrunableLayer> layers, const Reconfiguration& how);

// The two halves of it.

// The kept weights that are removed: those below the magnitude at place int(share x kept) of the
// kept ones by rising magnitude, strictly: equal ones stay. At least one stays.
std::vector<std::uint8_t> up_for_removal(std::span<const float> weights,
                                         std::span<const std::uint8_t> kept, double share);
// How many of each layer's candidates are kept again. `candidates`: their squared gradients by
// layer, falling; `each`: t_l; `room`: at most so many (nothing: any). Where all candidates are
// taken it ends (their code fails).
std::vector<std::size_t> revive(double squares, double seconds, std::span<const double> each,
                                const std::vector<std::vector<double>>& candidates,
                                std::optional<std::int64_t> room = {});

// Costs of a reconfiguration at the server, for a model of so many parameters and so many updates:
// squared gradients are summed, magnitudes and candidates sorted. Passes bound by memory; that is
// ours and has not been measured.
StepCost reconfiguration_step(double parameters, std::size_t updates);
// Bytes held meanwhile: the model, the sums, masks, and what is sorted.
double reconfiguration_memory(double parameters);

}  // namespace convoy::engine
