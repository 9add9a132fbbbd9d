#pragma once

// The wire format, frame by frame: a header of 32 bytes, a FlatBuffers message (messages.fbs), and
// for tensors a raw payload. No sockets here, so that the parser can be fuzzed.
//
//   0  4  magic "CVYF"             16  8  XXH3 of the message
//   4  4  bytes of the message     24  8  XXH3 of the payload; 0 where there is none
//   8  4  bytes of the payload      (all little endian)
//   12 4  XXH3 of the header's other 28 bytes, its low half; at least 1
//
// Without the last, a damaged length would let a connection wait for bytes that never come, while
// pings fill it up. Up to version 4 it was 0: such a header is read, so that the peer's Hello can
// be answered with what it should speak.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "hil/protocol/messages.hpp"

namespace convoy::hil {

// Spoken here, and no other. 2: works and briefs are texts of the engine. 4: split tasks, of which
// an agent of version 3 would train the wrong thing. 5: the header's hash.
constexpr std::uint16_t protocol_version = 5;
constexpr std::size_t frame_header_bytes = 32;
constexpr std::size_t chunk_bytes = 1 << 20;  // payload of one frame of a transfer

// The peer has broken the protocol: the connection must end.
class ProtocolError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Limits on the memory that a peer can make us allocate, in bytes; checked before allocation.
struct Limits {
  std::uint32_t message = 64 << 10;  // one message
  std::uint32_t payload = 2 << 20;
  std::uint64_t transfer = 0;  // one parcel

  static Limits unknown_peer() { return {}; }
  // Limits for the coordinator's messages: its setup may be long, agents' messages are short.
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
// Throws ProtocolError if the bytes are not a frame header or announce too large a frame.
FrameHeader decode(std::span<const std::byte, frame_header_bytes> bytes, const Limits& limits);

// Checks the bytes and gives the message in them, valid as long as they are. Throws ProtocolError.
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

// At most `bytes` from `offset` on of consecutive pieces, as pieces.
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

// By zstd; `longest` limits the decompressed size, in bytes. Both throw ProtocolError.
std::vector<std::byte> compress(const std::vector<std::span<const std::byte>>& pieces);
std::vector<std::byte> decompress(std::span<const std::byte> bytes, std::size_t longest);

}  // namespace convoy::hil
