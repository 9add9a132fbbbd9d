#pragma once

// XXH3, 64 bits: notices damage on a wire or a disk, is no protection against malice.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace convoy::base {

// Over several pieces as if they were one.
class Hash {
 public:
  Hash();
  ~Hash();
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t value() const;
  // As 16 hexadecimal digits.
  [[nodiscard]] std::string text() const;

 private:
  void* state_;
};

std::uint64_t hash_of(std::span<const std::byte> bytes);

}  // namespace convoy::base
