#include "hil/protocol/frame.hpp"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.hpp"

namespace convoy::hil {
namespace {

static_assert(std::endian::native == std::endian::little);  // the wire format's byte order

constexpr std::array<char, 4> magic = {'C', 'V', 'Y', 'F'};
// Limit for nesting and number of tables, above those of all our messages.
constexpr int deepest = 8;
constexpr int most_tables = 100'000;
constexpr int compression_level = 1;

template <class T>
void put(std::array<std::byte, frame_header_bytes>& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}
template <class T>
T get(std::span<const std::byte, frame_header_bytes> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

constexpr std::size_t check_at = 12;
constexpr std::size_t check_bytes = 4;

std::uint32_t check_of(std::span<const std::byte, frame_header_bytes> bytes) {
  std::array<std::byte, frame_header_bytes - check_bytes> rest;
  const auto behind = std::copy_n(bytes.begin(), check_at, rest.begin());
  std::copy(bytes.begin() + check_at + check_bytes, bytes.end(), behind);
  return std::max(static_cast<std::uint32_t>(base::hash_of(rest)), std::uint32_t{1});
}

}  // namespace

std::array<std::byte, frame_header_bytes> encode(const FrameHeader& header) {
  std::array<std::byte, frame_header_bytes> bytes{};
  put(bytes, 0, magic);
  put(bytes, 4, header.message_bytes);
  put(bytes, 8, header.payload_bytes);
  put(bytes, 16, header.message_hash);
  put(bytes, 24, header.payload_hash);
  put(bytes, check_at, check_of(bytes));
  return bytes;
}

FrameHeader decode(std::span<const std::byte, frame_header_bytes> bytes, const Limits& limits) {
  if (std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) {
    throw ProtocolError("what came is no frame of Convoy's");
  }
  const FrameHeader header{get<std::uint32_t>(bytes, 4), get<std::uint32_t>(bytes, 8),
                           get<std::uint64_t>(bytes, 16), get<std::uint64_t>(bytes, 24)};
  const auto check = get<std::uint32_t>(bytes, check_at);
  if (check != 0 && check != check_of(bytes)) {
    throw ProtocolError("a frame whose header was damaged on its way, or of another version");
  }
  if (header.message_bytes == 0) throw ProtocolError("a frame without a message");
  if (header.message_bytes > limits.message) {
    throw ProtocolError(
        fmt::format("a message of {} bytes, more than {}", header.message_bytes, limits.message));
  }
  if (header.payload_bytes > limits.payload) {
    throw ProtocolError(
        fmt::format("a payload of {} bytes, more than {}", header.payload_bytes, limits.payload));
  }
  return header;
}

const wire::Message& check_message(std::span<const std::byte> bytes, std::uint64_t hash) {
  if (base::hash_of(bytes) != hash) throw ProtocolError("a message that was damaged on its way");
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), deepest, most_tables);
  if (!wire::VerifyMessageBuffer(verifier)) throw ProtocolError("a message that is malformed");
  const wire::Message& message = *wire::GetMessage(data);
  // The verifier accepts unknown body types without checking them.
  if (message.body() == nullptr || message.body_type() == wire::Body::NONE ||
      message.body_type() > wire::Body::MAX) {
    throw ProtocolError("a message of an unknown kind");
  }
  return message;
}

std::vector<std::byte> pack(const wire::MessageT& message) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(wire::Message::Pack(builder, &message), wire::MessageIdentifier());
  const auto* begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {begin, begin + builder.GetSize()};
}

std::vector<std::byte> compress(const std::vector<std::span<const std::byte>>& pieces) {
  std::vector<std::byte> together;
  for (const auto& piece : pieces) together.insert(together.end(), piece.begin(), piece.end());
  std::vector<std::byte> result(ZSTD_compressBound(together.size()));
  const std::size_t n = ZSTD_compress(result.data(), result.size(), together.data(),
                                      together.size(), compression_level);
  if (ZSTD_isError(n) != 0) throw ProtocolError("zstd does not compress");
  result.resize(n);
  return result;
}

std::vector<std::byte> decompress(std::span<const std::byte> bytes, std::size_t longest) {
  std::vector<std::byte> result(longest);
  const std::size_t n = ZSTD_decompress(result.data(), result.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(n) != 0) {
    throw ProtocolError(fmt::format("a compressed payload: {}", ZSTD_getErrorName(n)));
  }
  result.resize(n);
  return result;
}

}  // namespace convoy::hil
