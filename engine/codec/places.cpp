#include "engine/codec/places.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/diagnostics.hpp"

namespace convoy::engine {
namespace {

constexpr std::int64_t place_size = sizeof(std::uint32_t);

// Places are sent as a bit for each element, not as a list.
bool as_bits(std::int64_t size, std::int64_t kept) {
  return bytes_of_bits(size) < kept * place_size;
}

bool is_set(std::span<const std::uint8_t> bytes, std::int64_t bit) {
  const unsigned byte = bytes[static_cast<std::size_t>(bit / bits_of_byte)];
  return ((byte >> static_cast<unsigned>(bit % bits_of_byte)) & 1U) != 0;
}

void set(std::vector<std::uint8_t>& bytes, std::int64_t bit) {
  bytes[static_cast<std::size_t>(bit / bits_of_byte)] |=
      static_cast<std::uint8_t>(1U << static_cast<unsigned>(bit % bits_of_byte));
}

std::vector<std::uint32_t> read_list(std::span<const std::uint8_t> bytes, std::int64_t size,
                                     std::int64_t kept) {
  std::vector<std::uint32_t> places;
  places.reserve(static_cast<std::size_t>(kept));
  for (std::size_t i = 0; i < static_cast<std::size_t>(kept); ++i) {
    std::uint32_t place = 0;
    for (std::size_t byte = 0; byte < place_size; ++byte) {
      place |= std::uint32_t{bytes[i * place_size + byte]} << (bits_of_byte * byte);
    }
    if (place >= size || (!places.empty() && place <= places.back())) {
      throw base::UserError("the places of a compressed tensor are no rising list within it");
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace

std::int64_t bytes_of_bits(std::int64_t bits) { return (bits + bits_of_byte - 1) / bits_of_byte; }

std::int64_t place_list_bytes(std::int64_t size, std::int64_t kept) {
  return as_bits(size, kept) ? bytes_of_bits(size) : kept * place_size;
}

std::vector<std::uint8_t> write_places(std::span<const std::uint32_t> places, std::int64_t size) {
  const std::int64_t kept = std::ssize(places);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(place_list_bytes(size, kept)));
  if (as_bits(size, kept)) {
    for (const std::uint32_t place : places) set(bytes, place);
    return bytes;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (std::size_t byte = 0; byte < place_size; ++byte) {
      bytes[i * place_size + byte] = static_cast<std::uint8_t>(places[i] >> (bits_of_byte * byte));
    }
  }
  return bytes;
}

std::vector<std::uint32_t> read_places(std::span<const std::uint8_t> bytes, std::int64_t size,
                                       std::int64_t kept) {
  if (kept > size || std::ssize(bytes) != place_list_bytes(size, kept)) {
    throw base::UserError(
        fmt::format("{} bytes are not {} places among {}", bytes.size(), kept, size));
  }
  if (!as_bits(size, kept)) return read_list(bytes, size, kept);
  std::vector<std::uint32_t> places;
  places.reserve(static_cast<std::size_t>(kept));
  for (std::int64_t i = 0; i < std::ssize(bytes) * bits_of_byte; ++i) {
    if (!is_set(bytes, i)) continue;
    if (i >= size || std::ssize(places) == kept) {
      throw base::UserError("the places of a compressed tensor are more than were to be sent");
    }
    places.push_back(static_cast<std::uint32_t>(i));
  }
  if (std::ssize(places) != kept) {
    throw base::UserError("the places of a compressed tensor are fewer than were to be sent");
  }
  return places;
}

std::int64_t mask_bytes(std::int64_t size, std::int64_t kept) {
  return place_list_bytes(size, std::min(kept, size - kept));
}

std::vector<std::uint8_t> write_mask(std::span<const std::uint8_t> flags) {
  const std::int64_t size = std::ssize(flags);
  const std::int64_t kept = std::ranges::count(flags, std::uint8_t{1});
  const std::uint8_t listed = kept <= size - kept ? 1 : 0;
  std::vector<std::uint32_t> places;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] == listed) places.push_back(static_cast<std::uint32_t>(i));
  }
  return write_places(places, size);
}

std::vector<std::uint8_t> read_mask(std::span<const std::uint8_t> bytes, std::int64_t size,
                                    std::int64_t kept) {
  const std::int64_t others = size - kept;
  const std::uint8_t listed = kept <= others ? 1 : 0;
  std::vector<std::uint8_t> flags(static_cast<std::size_t>(size),
                                  static_cast<std::uint8_t>(1 - listed));
  for (const std::uint32_t place : read_places(bytes, size, std::min(kept, others))) {
    flags[place] = listed;
  }
  return flags;
}

std::vector<std::uint8_t> pack_flags(std::span<const std::uint8_t> flags) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(bytes_of_bits(std::ssize(flags))));
  for (std::int64_t i = 0; i < std::ssize(flags); ++i) {
    if (flags[static_cast<std::size_t>(i)] != 0) set(bytes, i);
  }
  return bytes;
}

std::vector<std::uint8_t> unpack_flags(std::span<const std::uint8_t> bytes, std::int64_t size) {
  if (std::ssize(bytes) != bytes_of_bits(size)) {
    throw base::UserError(
        fmt::format("{} bytes are not a bit for each of {} elements", bytes.size(), size));
  }
  std::vector<std::uint8_t> flags(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) {
    flags[static_cast<std::size_t>(i)] = is_set(bytes, i) ? 1 : 0;
  }
  for (std::int64_t i = size; i < std::ssize(bytes) * bits_of_byte; ++i) {
    if (is_set(bytes, i)) throw base::UserError("bits are set behind the last element");
  }
  return flags;
}

}  // namespace convoy::engine
