#pragma once

// Which elements of a tensor are meant, in bytes: rising numbers of 32 bits (little-endian) or a
// bit for each element, whichever is shorter; the same length goes as numbers. That choice is ours.
// And flags, 8 in a byte, the first in the lowest bit.

#include <cstdint>
#include <span>
#include <vector>

namespace convoy::engine {

constexpr std::int64_t bits_of_byte = 8;
std::int64_t bytes_of_bits(std::int64_t bits);

// Bytes for `kept` places among `size`, in the shorter form.
std::int64_t place_list_bytes(std::int64_t size, std::int64_t kept);
std::vector<std::uint8_t> write_places(std::span<const std::uint32_t> places, std::int64_t size);
// Throws base::UserError if these are not `kept` rising places within `size`.
std::vector<std::uint32_t> read_places(std::span<const std::uint8_t> bytes, std::int64_t size,
                                       std::int64_t kept);

// A mask of `size` flags (1: kept), of which so many are kept: places of these or of the others,
// whichever are fewer. So it is never longer than the values of FP32 that it leaves out.
std::int64_t mask_bytes(std::int64_t size, std::int64_t kept);
std::vector<std::uint8_t> write_mask(std::span<const std::uint8_t> flags);
// Throws base::UserError as read_places().
std::vector<std::uint8_t> read_mask(std::span<const std::uint8_t> bytes, std::int64_t size,
                                    std::int64_t kept);

// Flags: 0 or not.
std::vector<std::uint8_t> pack_flags(std::span<const std::uint8_t> flags);
// Gives 0 or 1. Throws base::UserError if there are more or fewer than `size` flags, or bits behind
// the last that are not 0.
std::vector<std::uint8_t> unpack_flags(std::span<const std::uint8_t> bytes, std::int64_t size);

}  // namespace convoy::engine
