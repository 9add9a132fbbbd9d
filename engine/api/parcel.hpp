#pragma once

// Tensors sent between machines, in the two parts of the safetensors format: a header (JSON: names,
// types, shapes, metadata) and the bytes, which stay in LibTorch's memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/non_copyable.hpp"

namespace convoy::engine {

// An outgoing parcel. Equal tensors of several parcels share their memory.
struct Parcel {
  std::string header;
  std::vector<std::span<const std::byte>> pieces;  // in the order of the header's offsets
  std::shared_ptr<const void> keeps;               // owner of the memory

  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& piece : pieces) sum += piece.size();
    return sum;
  }
};

// An incoming parcel: memory for the announced tensors, to be filled by the caller.
class Unpacking : base::NonCopyable {
 public:
  virtual ~Unpacking() = default;
  [[nodiscard]] virtual const std::vector<std::span<std::byte>>& pieces() const = 0;
};

}  // namespace convoy::engine
