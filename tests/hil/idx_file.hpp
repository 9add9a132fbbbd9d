#pragma once

// A file of data in MNIST's format.

#include <cstddef>
#include <string>
#include <vector>

namespace convoy::test {

// A magic number, the counts, then bytes: labels where an item has one byte, else made-up pixels.
inline std::string idx(const std::vector<unsigned>& counts, std::size_t bytes_each) {
  std::string file = {0, 0, 8, static_cast<char>(counts.size())};
  for (const unsigned n : counts) file += {0, 0, static_cast<char>(n >> 8), static_cast<char>(n)};
  for (std::size_t i = 0; i < counts[0] * bytes_each; ++i) {
    file += static_cast<char>(bytes_each == 1 ? i % 10 : i * 7 % 256);
  }
  return file;
}

}  // namespace convoy::test
