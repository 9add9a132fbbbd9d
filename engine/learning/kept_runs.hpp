#pragma once

// Where a submodel's slice of a tensor lies in the full tensor.

#include <cstdint>

#include "engine/model/parameters.hpp"

namespace convoy::engine {

// Places of a slice in the full tensor (row mask x column mask), row by row: calls
// `visit(full, part, n)` for runs of n elements that are adjacent in both.
template <class Visit>
void for_each_run(const ParameterTensor& p, const Kept& kept, Visit visit) {
  const std::int64_t columns = p.shape.size() > 1 ? p.shape[1] : 1;
  const std::int64_t inner = p.elements() / (p.rows() * columns);  // elements of a kernel
  const std::int64_t rows =
      kept.rows.empty() ? p.rows() : static_cast<std::int64_t>(kept.rows.size());
  if (kept.rows.empty() && kept.columns.empty()) {
    visit(std::int64_t{0}, std::int64_t{0}, p.elements());
    return;
  }
  std::int64_t part = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = kept.rows.empty() ? r : kept.rows[static_cast<std::size_t>(r)];
    if (kept.columns.empty()) {
      visit(row * columns * inner, part, columns * inner);
      part += columns * inner;
      continue;
    }
    for (const std::int64_t column : kept.columns) {
      visit((row * columns + column) * inner, part, inner);
      part += inner;
    }
  }
}

}  // namespace convoy::engine
