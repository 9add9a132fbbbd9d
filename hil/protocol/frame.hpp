#pragma once

// Frames: what is on the wire. A header of 32 bytes, a FlatBuffers message (messages.fbs), and for
// tensors raw bytes after it. No sockets here, so that the reader can be fuzzed.
//
//   0  4  magic "CVYF"             16  8  XXH3 of the message
//   4  4  bytes of the message     24  8  XXH3 of the payload; 0 where there is none
//   8  4  bytes of the payload      (all little endian)
//   12 4  0

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "hil/protocol/messages.hpp"

namespace convoy::hil {

// Spoken here, and no other. 2: works and briefs are texts of the engine.
constexpr std::uint16_t protocol_version = 3;
constexpr std::size_t frame_header_bytes = 32;
constexpr std::size_t chunk_bytes = 1 << 20;  // of a transfer, in a frame

// A peer that does not keep to the protocol: the connection ends.
class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What a peer may make us hold. Checked before memory is taken.
struct Limits {
  std::uint32_t message = 64 << 10;  // bytes
  std::uint32_t payload = 2 << 20;
  std::uint64_t transfer = 0;  // of a parcel

  static Limits unknown_peer() { return {}; }
  // The coordinator says what a node trains with, which may be long; agents say little.
  static Limits coordinator() { return {64U << 20U, 2U << 20U, 64ULL << 30U}; }
  static Limits agent() { return {8U << 20U, 2U << 20U, 64ULL << 30U}; }
};

struct FrameHeader {
  std::uint32_t message_bytes = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t message_hash = 0;
  std::uint64_t payload_hash = 0;
};

std::array<std::byte, frame_header_bytes> encode(const FrameHeader& header);
// Throws ProtocolError: no frame at all, or one that is too large.
FrameHeader decode(std::span<const std::byte, frame_header_bytes> bytes, const Limits& limits);

// The message in these bytes, after every check; it lives as long as they do. Throws ProtocolError.
const wire::Message& check_message(std::span<const std::byte> bytes, std::uint64_t hash);

// A text that a message may lack: then empty.
inline std::string text_of(const flatbuffers::String* text) {
  return text == nullptr ? "" : text->str();
}

// A message about a task, else empty.
template <class Body>
Body of_task(std::int64_t task, std::int32_t attempt) {
  Body body;
  body.task = task;
  body.attempt = attempt;
  return body;
}

// A message as bytes.
std::vector<std::byte> pack(const wire::MessageT& message);
template <class Body>
std::vector<std::byte> pack_body(Body body) {
  wire::MessageT message;
  message.body.Set(std::move(body));
  return pack(message);
}

// At most `bytes` from `offset` of pieces that follow each other, as pieces.
template <class Byte>
std::vector<std::span<Byte>> part_of(const std::vector<std::span<Byte>>& pieces,
                                     std::uint64_t offset, std::uint64_t bytes) {
  std::vector<std::span<Byte>> part;
  for (const std::span<Byte> piece : pieces) {
    if (bytes == 0) break;
    if (offset >= piece.size()) {
      offset -= piece.size();
      continue;
    }
    const auto n = std::min<std::uint64_t>(bytes, piece.size() - offset);
    part.push_back(piece.subspan(offset, n));
    bytes -= n;
    offset = 0;
  }
  return part;
}

// zstd; `longest` bounds what decompression may give. Throw ProtocolError.
std::vector<std::byte> compress(const std::vector<std::span<const std::byte>>& pieces);
std::vector<std::byte> decompress(std::span<const std::byte> bytes, std::size_t longest);

}  // namespace convoy::hil
