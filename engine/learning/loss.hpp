#pragma once

// The training loss.

#include "engine/api/options.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Scores [batch, classes] with those of absent labels set to 0, as HeteroFL's code does before the
// softmax, in training and in a node's own test: an absent label then still counts, as much as a
// score of 0 does. `absent`: bool [classes]; undefined: no label is, and the scores are given back.
Tensor without_absent(const Tensor& scores, const Tensor& absent);

// Sum of the cross entropies of all K exits, plus, with `transfer` (weight > 0 and K > 1):
//
// From the deepest exit (arXiv 2410.08457 and its code; Hinton et al. 2015):
//   sum_{i<K} weight x T^2 x KL(softmax(z_K/T) || softmax(z_i/T))
// From each exit to all others (DepthFL, Kim et al., ICLR 2023; adap/flower fdef7af,
// baselines/depthfl, by its first author; there T = 1, the mean over the batch, detached):
//   sum_i weight / (K-1) x sum_{j != i} T^2 x sum_c q_jc (log q_jc - log p_ic)
//   p_i = softmax(z_i/T), q_j = softmax(z_j/T) + 1e-7, not normalized again
//
// `exits`: scores [batch, classes] by rising depth; `absent` as above. Gives a scalar.
Tensor training_loss(const Tensors& exits, const Tensor& labels, const TransferOptions& transfer,
                     const Tensor& absent = {});

}  // namespace convoy::engine
