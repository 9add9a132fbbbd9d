#pragma once

// XXH3, 64 bits: detects damage on a wire or a disk, does not protect against attacks.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/non_copyable.hpp"

namespace convoy::base {

// A hash over several pieces, the same as over their concatenation.
class Hash : NonCopyable {
 public:
  Hash();
  ~Hash();
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t value() const;
  // The hash as 16 hexadecimal digits.
  [[nodiscard]] std::string text() const;

 private:
  void* state_;
};

std::uint64_t hash_of(std::span<const std::byte> bytes);

}  // namespace convoy::base
