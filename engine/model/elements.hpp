#pragma once

// What is learned of a weight, element by element, and which tensors that concerns.

#include "base/words.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::engine {

enum class ElementKind {
  all,      // its value
  pruned,   // its value where the version's mask keeps it, else it is 0 (PruneFL; pruning.hpp)
  sampled,  // whether it takes part at all: its value is frozen (FedPM)
};
inline constexpr base::Words<ElementKind> element_words = {
    {ElementKind::all, "all"}, {ElementKind::pruned, "pruned"}, {ElementKind::sampled, "sampled"}};

// Weights of convolutions and linear layers. Biases, norms, embeddings, CLS and positions are
// always kept whole.
inline bool is_prunable(const ParameterTensor& tensor) { return tensor.role == TensorRole::weight; }

// With ElementKind::sampled: weights and biases of convolutions and linear layers have a score for
// each element; the other parameters are frozen, and nobody sends them. Running statistics are
// neither.
inline bool is_sampled(const ParameterTensor& tensor) {
  return tensor.role == TensorRole::weight || tensor.role == TensorRole::bias;
}
inline bool is_frozen(const ParameterTensor& tensor) {
  return !tensor.buffer && !is_sampled(tensor);
}

}  // namespace convoy::engine
