#include "engine/codec/codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/diagnostics.hpp"
#include "base/random.hpp"
#include "engine/codec/places.hpp"

namespace convoy::engine {
namespace {

constexpr int levels = 127;  // of 8 bits, in each direction

bool sends_places(std::int64_t size, const Compression& compression) {
  return !compression.drawn && sent_of(size, compression) < size;
}

// Rises with the magnitude; NaN is above infinity.
std::uint32_t magnitude(float value) { return std::bit_cast<std::uint32_t>(value) & 0x7fffffffU; }

// Counts from the highest bin down: gives the bin that contains the `rank`-th value, and the number
// of values in the bins above.
std::pair<std::uint32_t, std::int64_t> bin_of_rank(std::span<const std::uint32_t> counts,
                                                   std::int64_t rank) {
  std::int64_t above = 0;
  auto bin = static_cast<std::uint32_t>(counts.size() - 1);
  for (; bin > 0 && above + counts[bin] < rank; --bin) above += counts[bin];
  return {bin, above};
}

// The places of the `kept` largest magnitudes, rising. First counts the upper 15 bits, then the
// lower 16 bits of the values in the threshold's bin: always three passes.
std::vector<std::uint32_t> largest(std::span<const float> values, std::int64_t kept) {
  constexpr unsigned low_bits = 16;
  constexpr std::uint32_t low_mask = (1U << low_bits) - 1;
  std::vector<std::uint32_t> high(std::size_t{1} << 15U);
  for (const float v : values) ++high[magnitude(v) >> low_bits];
  const auto [bin, above_bin] = bin_of_rank(high, kept);
  std::vector<std::uint32_t> low(std::size_t{1} << low_bits);
  for (const float v : values) {
    const std::uint32_t m = magnitude(v);
    if (m >> low_bits == bin) ++low[m & low_mask];
  }
  const auto [rest, above_rest] = bin_of_rank(low, kept - above_bin);
  const std::uint32_t threshold = (bin << low_bits) | rest;
  std::int64_t equal = kept - above_bin - above_rest;  // number to take of those at the threshold
  std::vector<std::uint32_t> places;
  places.reserve(static_cast<std::size_t>(kept));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t m = magnitude(values[i]);
    if (m < threshold || (m == threshold && equal-- <= 0)) continue;
    places.push_back(static_cast<std::uint32_t>(i));
  }
  return places;
}

// Draws `kept` of `size` places, rising; all choices are equally likely (Knuth's algorithm S).
std::vector<std::uint32_t> drawn(std::int64_t size, std::int64_t kept, std::uint64_t seed) {
  base::Random random({seed});
  std::vector<std::uint32_t> places;
  places.reserve(static_cast<std::size_t>(kept));
  for (std::int64_t i = 0; std::ssize(places) < kept; ++i) {
    const auto wanted = static_cast<std::uint64_t>(kept - std::ssize(places));
    if (random.below(static_cast<std::uint64_t>(size - i)) < wanted) {
      places.push_back(static_cast<std::uint32_t>(i));
    }
  }
  return places;
}

// Calls use(k, place) for each element that is sent, in order.
template <class Use>
void for_each_place(const std::vector<std::uint32_t>& places, std::int64_t size, Use use) {
  if (places.empty()) {
    for (std::int64_t i = 0; i < size; ++i) use(i, i);
    return;
  }
  for (std::int64_t k = 0; k < std::ssize(places); ++k) use(k, places[static_cast<std::size_t>(k)]);
}

}  // namespace

std::int64_t sent_of(std::int64_t size, const Compression& compression) {
  if (size == 0 || compression.keep >= 1) return size;
  const auto kept = std::llround(compression.keep * static_cast<double>(size));
  return std::clamp<std::int64_t>(kept, 1, size);
}

std::int64_t place_bytes(std::int64_t size, const Compression& compression) {
  if (!sends_places(size, compression)) return 0;
  return place_list_bytes(size, sent_of(size, compression));
}

std::int64_t value_bytes(std::int64_t size, const Compression& compression) {
  return bytes_of_bits(sent_of(size, compression) * compression.bits);
}

std::int64_t scale_bytes(const Compression& compression) {
  return compression.bits == 32 ? 0 : static_cast<std::int64_t>(sizeof(float));
}

std::int64_t encoded_bytes(std::int64_t size, const Compression& compression) {
  return place_bytes(size, compression) + value_bytes(size, compression) + scale_bytes(compression);
}

Encoded encode(std::span<const float> values, const Compression& compression, std::uint64_t seed) {
  const auto size = static_cast<std::int64_t>(values.size());
  const std::int64_t kept = sent_of(size, compression);
  std::vector<std::uint32_t> places;  // empty: all
  if (kept < size) {
    places = compression.drawn ? drawn(size, kept, seed) : largest(values, kept);
  }
  Encoded encoded;
  if (sends_places(size, compression)) encoded.places = write_places(places, size);
  encoded.values.resize(static_cast<std::size_t>(value_bytes(size, compression)));
  double sum = 0;
  float most = 0;
  for_each_place(places, size, [&](std::int64_t, std::int64_t i) {
    const float m = std::abs(values[static_cast<std::size_t>(i)]);
    sum += m;
    if (!std::isnan(most) && !(m <= most)) most = m;  // NaN stays
  });
  if (compression.bits == 8) encoded.scale = most / levels;
  if (compression.bits == 1 && kept > 0) {
    encoded.scale = static_cast<float>(sum / static_cast<double>(kept));
  }
  for_each_place(places, size, [&](std::int64_t k, std::int64_t i) {
    const float value = values[static_cast<std::size_t>(i)];
    if (compression.bits == 32) {
      std::memcpy(encoded.values.data() + k * static_cast<std::int64_t>(sizeof(float)), &value,
                  sizeof(float));
    } else if (compression.bits == 8) {
      const bool has_levels = encoded.scale > 0 && std::isfinite(encoded.scale);
      const float level = has_levels ? std::nearbyint(value / encoded.scale) : 0;
      encoded.values[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(
          static_cast<std::int8_t>(std::clamp<float>(level, -levels, levels)));
    } else if (!std::signbit(value)) {
      encoded.values[static_cast<std::size_t>(k / bits_of_byte)] |=
          static_cast<std::uint8_t>(1U << static_cast<unsigned>(k % bits_of_byte));
    }
  });
  return encoded;
}

void decode(const Encoded& encoded, const Compression& compression, std::uint64_t seed,
            std::span<float> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  const std::int64_t kept = sent_of(size, compression);
  if (std::ssize(encoded.places) != place_bytes(size, compression) ||
      std::ssize(encoded.values) != value_bytes(size, compression)) {
    throw base::UserError(fmt::format(
        "a compressed tensor has {} and {} bytes, not {} and {}", encoded.places.size(),
        encoded.values.size(), place_bytes(size, compression), value_bytes(size, compression)));
  }
  std::vector<std::uint32_t> places;
  if (kept < size) {
    places = compression.drawn ? drawn(size, kept, seed) : read_places(encoded.places, size, kept);
  }
  std::fill(values.begin(), values.end(), 0.0F);
  for_each_place(places, size, [&](std::int64_t k, std::int64_t i) {
    float& value = values[static_cast<std::size_t>(i)];
    if (compression.bits == 32) {
      std::memcpy(&value, encoded.values.data() + k * static_cast<std::int64_t>(sizeof(float)),
                  sizeof(float));
    } else if (compression.bits == 8) {
      value =
          encoded.scale *
          static_cast<float>(static_cast<std::int8_t>(encoded.values[static_cast<std::size_t>(k)]));
    } else {
      const bool is_positive = (encoded.values[static_cast<std::size_t>(k / bits_of_byte)] >>
                                static_cast<unsigned>(k % bits_of_byte)) %
                                   2 !=
                               0;
      value = is_positive ? encoded.scale : -encoded.scale;
    }
  });
}

}  // namespace convoy::engine
