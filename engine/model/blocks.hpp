#pragma once

// Blocks of a model's parameters, for partitioned learning: each device updates one. Parameters are
// in the order of parameter_tensors(), element by element. A block is made of whole rows
// (dimension 0), so that its part of a tensor is a tensor.

#include <cstdint>
#include <vector>

#include "engine/model/parameters.hpp"

namespace convoy::engine {

// The parameters from `from` to `to`, as shares of their number: 0 <= from < to <= 1.
struct ParameterBlock {
  double from = 0;
  double to = 1;

  [[nodiscard]] bool is_valid() const { return from >= 0 && from < to && to <= 1; }
  friend bool operator==(const ParameterBlock&, const ParameterBlock&) = default;
};

struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  [[nodiscard]] std::int64_t size() const { return end - begin; }
  [[nodiscard]] bool is_empty() const { return begin == end; }
  friend bool operator==(const RowRange&, const RowRange&) = default;
};

// By tensor: its rows that are in the block. A row is in the block that holds its first element; so
// blocks that tile [0, 1) hold each row once, and a block smaller than a row may hold nothing.
// Running statistics (buffers) go whole with the last row of parameters before them.
std::vector<RowRange> rows_of(const std::vector<ParameterTensor>& tensors,
                              const ParameterBlock& block);

// These rows, with all columns.
Kept kept_of(const ParameterTensor& tensor, const RowRange& rows);

}  // namespace convoy::engine
