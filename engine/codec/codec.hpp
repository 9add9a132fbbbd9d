#pragma once

// What is sent of a tensor that may arrive inexactly: some of its elements, in fewer bits. Plain
// arrays: no LibTorch, no tensors, no network.
//
//   const Compression c{.keep = 0.01, .bits = 8};
//   const Encoded sent = encode(values, c, seed);
//   std::vector<float> arrived(values.size());
//   decode(sent, c, seed, arrived);              // 0 where nothing was sent
//
// First the elements are chosen, then the kept values are quantized, as TEASQ-Fed does
// (arXiv 2312.15186). Sources: top-k with error feedback Stich et al. 2018 (arXiv 1809.07599); one
// bit with the mean magnitude as scale Karimireddy et al. 2019 (arXiv 1901.09847). The places are
// sent in the shorter of two forms, which is ours.

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace convoy::engine {

struct Compression {
  double keep = 1;       // share of each tensor's elements that is sent, (0, 1]
  bool drawn = false;    // which: drawn with a seed that both sides know; else the largest ones
  int bits = 32;         // of a value: 32 (FP32), 8 (scale max|x| / 127), 1 (sign, scale mean|x|)
  bool feedback = true;  // what was not sent is added to the node's next update

  [[nodiscard]] bool is_none() const { return keep >= 1 && bits == 32; }
  friend auto operator<=>(const Compression&, const Compression&) = default;
};

// Of a tensor.
struct Encoded {
  // Which elements: nothing where all are sent, or both sides draw them; else rising numbers of 32
  // bits (little-endian) or a bit for each element, whichever is shorter.
  std::vector<std::uint8_t> places;
  std::vector<std::uint8_t> values;  // of the elements, in their order
  float scale = 1;                   // of values of 8 bits or 1 bit
};

// How many of `size` elements are sent: at least one.
std::int64_t sent_of(std::int64_t size, const Compression& compression);
// Bytes of the parts of an encoded tensor of `size` elements; of the scale nothing with 32 bits.
std::int64_t place_bytes(std::int64_t size, const Compression& compression);
std::int64_t value_bytes(std::int64_t size, const Compression& compression);
std::int64_t scale_bytes(const Compression& compression);
std::int64_t encoded_bytes(std::int64_t size, const Compression& compression);

// Equal magnitudes: the first ones are sent. Values that are NaN or infinite make the scale so, and
// all that is decoded with it.
Encoded encode(std::span<const float> values, const Compression& compression, std::uint64_t seed);
// Throws base::UserError where the parts are not of a tensor of that many elements.
void decode(const Encoded& encoded, const Compression& compression, std::uint64_t seed,
            std::span<float> values);

}  // namespace convoy::engine
