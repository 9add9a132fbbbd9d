#pragma once

// Partitioned learning: a node's task in which it trains a block of the model's parameters
// (engine/model/blocks.hpp).

#include <compare>
#include <cstdint>

namespace convoy::sim {

struct BlockWork {
  // The parameters [first, first + parameters) of the setting's full model.
  std::int64_t first = 0;
  std::int64_t parameters = 1;
  // Most that the transfers get; 0: no limit.
  double download_bytes_per_s = 0;
  double upload_bytes_per_s = 0;

  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 of a comparison
  friend auto operator<=>(const BlockWork&, const BlockWork&) = default;
};

}  // namespace convoy::sim
