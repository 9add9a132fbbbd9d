#pragma once

// What training minimises.

#include "engine/api/options.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Cross entropy of every exit, summed; with `transfer` in force (its weight > 0 and more than one
// exit) each exit but the deepest also learns from that one (papers: arXiv 2410.08457 and its code;
// Hinton et al. 2015):
//   L = CE(z_K, y) + sum_{i<K} [ CE(z_i, y) + weight x T^2 x KL(softmax(z_K/T) || softmax(z_i/T)) ]
// `exits`: scores [batch, classes] by rising depth. Gives a scalar.
Tensor training_loss(const Tensors& exits, const Tensor& labels, const TransferOptions& transfer);

}  // namespace convoy::engine
