#pragma once

// Lossy compression of a tensor: sends only some of its elements, in fewer bits. Plain arrays: no
// LibTorch, no tensors, no network.
//
//   const Compression c{.keep = 0.01, .bits = 8};
//   const Encoded sent = encode(values, c, seed);
//   std::vector<float> arrived(values.size());
//   decode(sent, c, seed, arrived);              // 0 where nothing was sent
//
// Elements are chosen first, then the kept values are quantized, as in TEASQ-Fed (arXiv
// 2312.15186). Sources: top-k with error feedback: Stich et al. 2018 (arXiv 1809.07599); one bit
// with the mean magnitude as scale: Karimireddy et al. 2019 (arXiv 1901.09847). Ours: the places
// are sent in the shorter of two forms.

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace convoy::engine {

struct Compression {
  double keep = 1;     // share of each tensor's elements that is sent, (0, 1]
  bool drawn = false;  // elements are drawn with a seed that both sides know; else the largest ones
  int bits = 32;       // per value: 32 (FP32), 8 (scale max|x| / 127), 1 (sign, scale mean|x|)
  bool feedback = true;  // what was not sent is added to the node's next update

  [[nodiscard]] bool is_none() const { return keep >= 1 && bits == 32; }
  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 of a comparison
  friend auto operator<=>(const Compression&, const Compression&) = default;
};

// An encoded tensor.
struct Encoded {
  // The places of the sent elements: rising 32-bit numbers (little-endian) or one bit per element,
  // whichever is shorter. Empty if all elements are sent, or if both sides draw them.
  std::vector<std::uint8_t> places;
  std::vector<std::uint8_t> values;  // of the sent elements, in order
  float scale = 1;                   // for values of 8 bits or 1 bit
};

// Number of elements sent of `size` elements: at least one.
std::int64_t sent_of(std::int64_t size, const Compression& compression);
// Bytes of the parts of an encoded tensor of `size` elements; 0 for the scale of 32-bit values.
std::int64_t place_bytes(std::int64_t size, const Compression& compression);
std::int64_t value_bytes(std::int64_t size, const Compression& compression);
std::int64_t scale_bytes(const Compression& compression);
std::int64_t encoded_bytes(std::int64_t size, const Compression& compression);

// Of equal magnitudes the first ones are sent. If a value is NaN or infinite, so are the scale and
// all values decoded with it.
Encoded encode(std::span<const float> values, const Compression& compression, std::uint64_t seed);
// Throws base::UserError if the parts do not fit a tensor with the number of elements of `values`.
void decode(const Encoded& encoded, const Compression& compression, std::uint64_t seed,
            std::span<float> values);

}  // namespace convoy::engine
