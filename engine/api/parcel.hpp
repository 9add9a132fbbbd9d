#pragma once

// Tensors on their way between machines, in the two parts of the safetensors format: a header
// (JSON: names, types, shapes, metadata) and the bytes, which stay where LibTorch has them.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convoy::engine {

// To be sent. Equal tensors of several parcels share their memory.
struct Parcel {
  std::string header;
  std::vector<std::span<const std::byte>> pieces;  // in the order of the header's offsets
  std::shared_ptr<const void> keeps;               // what the pieces lie in

  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& piece : pieces) sum += piece.size();
    return sum;
  }
};

// Being received: memory for what a header announces, to be filled from anywhere.
class Unpacking {
 public:
  Unpacking() = default;
  virtual ~Unpacking() = default;
  Unpacking(const Unpacking&) = delete;
  Unpacking& operator=(const Unpacking&) = delete;
  [[nodiscard]] virtual const std::vector<std::span<std::byte>>& pieces() const = 0;
};

}  // namespace convoy::engine
