#pragma once

// The training loss.

#include "engine/api/options.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Sum of the cross entropies of all exits. With `transfer` (weight > 0 and more than one exit)
// every other exit also learns from the deepest one (arXiv 2410.08457 and its code; Hinton et al.
// 2015):
//   L = CE(z_K, y) + sum_{i<K} [ CE(z_i, y) + weight x T^2 x KL(softmax(z_K/T) || softmax(z_i/T)) ]
// `exits`: scores [batch, classes] by rising depth. Gives a scalar.
Tensor training_loss(const Tensors& exits, const Tensor& labels, const TransferOptions& transfer);

}  // namespace convoy::engine
