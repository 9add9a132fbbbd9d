#pragma once

// What counts of an update's tensor, where rules count a row of class scores only for nodes that
// have samples of this class (Needs::labels; HeteroFL, FedRolex).

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// A part of a tensor, and its rows and columns in the full one.
struct Counted {
  Tensor values;
  Kept kept;
};

// Of a tensor that the update brings. Without `by_label`: all that it brings. Throws
// base::UserError if it does not say which labels its node has, and that is needed.
Counted counted_of(const Layout& layout, const TensorUpdate& update, std::size_t tensor,
                   bool by_label);

// Its rows and columns alone, of an update of which all that it brings counts.
Kept brought_rows(const Layout& layout, const TensorUpdate& update, std::size_t tensor);

// The labels of all these updates together, rising.
std::vector<int> labels_of(const std::vector<const TensorUpdate*>& updates);

}  // namespace convoy::engine
