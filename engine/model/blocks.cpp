#include "engine/model/blocks.hpp"

#include <numeric>

namespace convoy::engine {
namespace {

// The first of `rows` rows, of `size` parameters each, that is not before `share` of all. The same
// comparison for the end of a block and the begin of the next: they meet.
std::int64_t first_row_from(double share, double before, double size, std::int64_t rows,
                            double all) {
  std::int64_t low = 0;
  std::int64_t high = rows;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if ((before + static_cast<double>(middle) * size) / all < share) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

std::vector<RowRange> rows_of(const std::vector<ParameterTensor>& tensors,
                              const ParameterBlock& block) {
  double all = 0;
  for (const ParameterTensor& p : tensors) {
    if (!p.buffer) all += static_cast<double>(p.elements());
  }
  std::vector<RowRange> rows;
  double before = 0;    // parameters
  double last_row = 0;  // the first parameter of the row before
  for (const ParameterTensor& p : tensors) {
    if (p.buffer) {
      const double at = last_row / all;
      const bool is_in = at >= block.from && at < block.to;
      rows.push_back({0, is_in ? p.rows() : 0});
      continue;
    }
    const auto elements = static_cast<double>(p.elements());
    const double size = elements / static_cast<double>(p.rows());
    rows.push_back({first_row_from(block.from, before, size, p.rows(), all),
                    first_row_from(block.to, before, size, p.rows(), all)});
    before += elements;
    last_row = before - size;
  }
  return rows;
}

Kept kept_of(const ParameterTensor& tensor, const RowRange& rows) {
  Kept kept;
  if (rows.size() == tensor.rows()) return kept;  // all
  kept.rows.resize(static_cast<std::size_t>(rows.size()));
  std::iota(kept.rows.begin(), kept.rows.end(), rows.begin);
  return kept;
}

}  // namespace convoy::engine
