#pragma once

// Turns a fuzzer's bytes into a peer's messages: correct frames, almost correct frames and others.
// Hashes and lengths are right unless the script says otherwise, since nothing would pass
// otherwise.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.hpp"
#include "hil/protocol/frame.hpp"

namespace convoy::fuzz {

namespace wire = hil::wire;
using Bytes = std::vector<std::byte>;

class Script {
 public:
  Script(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const std::byte*>(data), size) {}

  [[nodiscard]] bool ended() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = std::to_integer<std::uint8_t>(rest_.front());
    rest_ = rest_.subspan(1);
    return first;
  }
  bool yes() { return byte() % 2 == 1; }
  Bytes bytes(std::size_t most) {
    const auto part = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(part.size());
    return {part.begin(), part.end()};
  }
  Bytes some() { return bytes(byte()); }
  std::string text() {
    const Bytes taken = some();
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  // A small size, a size at a limit, or any size.
  std::uint64_t number() {
    static constexpr std::array<std::uint64_t, 16> edges = {
        0,          255,           256,         65535,
        65536,      65537,         1 << 20,     (1 << 20) + 1,
        2 << 20,    (2 << 20) + 1, 64U << 20U,  (64U << 20U) + 1,
        0xffffffff, 64ULL << 30U,  1ULL << 63U, ~std::uint64_t{0}};
    const std::uint8_t first = byte();
    if (first < 128) return first;
    if (first < 240) return edges.at(first % edges.size());
    std::uint64_t sum = 0;
    for (int i = 0; i < 8; ++i) sum = sum << 8U | byte();
    return sum;
  }
  template <class T>
  T number_as() {
    return static_cast<T>(number());
  }

 private:
  std::span<const std::byte> rest_;
};

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Bytes frame_of(const Bytes& message, const Bytes& payload = {}) {
  hil::FrameHeader header;
  header.message_bytes = static_cast<std::uint32_t>(message.size());
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.message_hash = base::hash_of(message);
  header.payload_hash = payload.empty() ? 0 : base::hash_of(payload);
  const auto head = hil::encode(header);
  return Bytes(head.begin(), head.end()) + message + payload;
}

// The byte of a parcel at this place, as an honest peer sends it.
inline std::byte honest_byte(std::uint32_t transfer, std::uint64_t offset) {
  return std::byte(static_cast<std::uint8_t>((offset / 16 + transfer) * 7));
}

inline wire::HelloT hello_of(Script& script) {
  wire::HelloT hello;
  hello.protocol_min = hello.protocol_max = hil::protocol_version;
  hello.name = "orin-1";
  const std::uint8_t parts = script.byte();
  if ((parts & 1U) != 0) hello.name = script.text();
  if ((parts & 2U) != 0) hello.protocol_min = script.number_as<std::uint16_t>();
  if ((parts & 4U) != 0) hello.protocol_max = script.number_as<std::uint16_t>();
  if ((parts & 8U) != 0) hello.device = script.text();
  if ((parts & 16U) != 0) hello.session = script.text();
  if ((parts & 32U) != 0) hello.boot = script.text();
  if ((parts & 64U) != 0) hello.missing.assign(script.number() % 100, script.text());
  for (int i = (parts & 128U) != 0 ? script.byte() % 8 : 0; i > 0; --i) {
    hello.known.push_back(std::make_unique<wire::KnownTaskT>());
    hello.known.back()->task = script.number_as<std::int64_t>();
  }
  return hello;
}

// One side of a conversation; remembers its offers.
class Peer {
 public:
  struct Sending {
    std::uint64_t total = 0;
    std::uint64_t offset = 0;
  };

  explicit Peer(Script& script) : script_(script) {}

  // True if all bytes of this transfer were sent correctly.
  [[nodiscard]] bool has_sent(std::uint32_t transfer) const {
    const auto found = sending_.find(transfer);
    return found != sending_.end() && found->second.offset == found->second.total;
  }
  // True if only correct frames were sent so far.
  [[nodiscard]] bool is_honest() const { return honest_; }

  // The peer reads this first: a ping, whose time it may return.
  void hear(std::span<const std::byte> bytes) {
    if (bytes.size() < hil::frame_header_bytes) return;
    const hil::FrameHeader header =
        hil::decode(bytes.first<hil::frame_header_bytes>(), hil::Limits::coordinator());
    if (bytes.size() < hil::frame_header_bytes + header.message_bytes) return;
    const auto part = bytes.subspan(hil::frame_header_bytes, header.message_bytes);
    const Bytes message(part.begin(), part.end());
    const wire::Ping* ping = hil::check_message(message, header.message_hash).body_as_Ping();
    if (ping != nullptr) asked_ns_ = ping->sent_ns();
  }

  // Writes the next part: a frame, several frames, or a part of one.
  Bytes next() {
    switch (script_.byte() % 12) {
      case 0:
        return hil_frame(hello_of(script_));
      case 1:
        return honest_offer();
      case 2:
      case 3:
      case 4:
        return honest_chunk();
      case 5:
        return lie(offer());
      case 6:
        return lie(chunk());
      case 7:
        return lie(script_.some());
      case 8:
        return lie(frame_of(mangled(hil::pack(any_message()))));
      case 9:
        return lie(frame_of(script_.some(), script_.yes() ? script_.some() : Bytes()));
      case 10:
        return lie(header());
      default:
        return frame_of(hil::pack(any_message()));
    }
  }

 private:
  template <class Body>
  static Bytes hil_frame(Body body, const Bytes& payload = {}) {
    return frame_of(hil::pack_body(std::move(body)), payload);
  }
  Bytes lie(Bytes said) {
    honest_ = false;
    return said;
  }

  Bytes honest_offer() {
    wire::OfferT offer;
    offer.transfer = ++last_;
    offer.header = "{}";
    offer.bytes = script_.yes() ? script_.byte() : 1000 * (script_.byte() % 60);
    sending_[offer.transfer] = {offer.bytes, 0};
    return hil_frame(std::move(offer));
  }

  Bytes honest_chunk() {
    const auto open = std::find_if(sending_.begin(), sending_.end(), [](const auto& entry) {
      return entry.second.offset < entry.second.total;
    });
    if (open == sending_.end()) return honest_offer();
    Sending& sending = open->second;
    wire::ChunkT chunk;
    chunk.transfer = open->first;
    chunk.offset = sending.offset;
    const std::uint64_t left = sending.total - sending.offset;
    chunk.bytes = static_cast<std::uint32_t>(
        script_.yes() ? left : std::min<std::uint64_t>(left, std::max<int>(1, script_.byte())));
    chunk.zstd = script_.yes();
    Bytes raw(chunk.bytes);
    for (std::size_t i = 0; i < raw.size(); ++i) {
      raw[i] = honest_byte(chunk.transfer, chunk.offset + i);
    }
    sending.offset += chunk.bytes;
    Bytes payload = chunk.zstd ? hil::compress({raw}) : raw;
    return hil_frame(std::move(chunk), payload);
  }

  Bytes offer() {
    wire::OfferT offer;
    offer.transfer = script_.number_as<std::uint32_t>();
    offer.bytes = script_.number();
    offer.header = script_.text();
    return hil_frame(std::move(offer));
  }

  Bytes chunk() {
    wire::ChunkT chunk;
    chunk.transfer = script_.yes() ? last_ : script_.number_as<std::uint32_t>();
    const auto known = sending_.find(chunk.transfer);
    chunk.offset =
        known != sending_.end() && script_.yes() ? known->second.offset : script_.number();
    chunk.zstd = script_.yes();
    Bytes payload = script_.some();
    chunk.bytes = static_cast<std::uint32_t>(payload.size());
    if (chunk.zstd && script_.yes()) payload = mangled(hil::compress({payload}));
    if (script_.yes()) chunk.bytes = script_.number_as<std::uint32_t>();
    return hil_frame(std::move(chunk), payload);
  }

  Bytes header() {
    const auto head =
        hil::encode({script_.number_as<std::uint32_t>() % (80U << 20U),
                     script_.number_as<std::uint32_t>(), script_.number(), script_.number()});
    return {head.begin(), head.end()};
  }

  Bytes mangled(Bytes bytes) {
    if (bytes.empty()) return bytes;
    for (int i = script_.byte() % 8; i > 0; --i) {
      const std::size_t at = script_.number() % bytes.size();
      bytes[at] = std::byte{script_.byte()};
    }
    if (script_.yes()) bytes.resize(script_.number() % (bytes.size() + 1));
    return bytes;
  }

  wire::MessageT any_message() {
    wire::MessageT message;
    switch (script_.byte() % 20) {
      case 0:
        message.body.Set(hello_of(script_));
        break;
      case 1:
        message.body.Set(wire::WelcomeT());
        break;
      case 2: {
        wire::RefusedT refused;
        refused.reason = script_.text();
        message.body.Set(std::move(refused));
        break;
      }
      case 3: {
        wire::SetupT setup;
        setup.toml = script_.text();
        setup.train.assign(script_.byte(), 5);
        message.body.Set(std::move(setup));
        break;
      }
      case 4:
        message.body.Set(wire::ReadyT());
        break;
      case 5:
        message.body.Set(wire::AssignT());
        break;
      case 6:
        message.body.Set(wire::BeginT());
        break;
      case 7:
        message.body.Set(wire::BeganT());
        break;
      case 8:
        message.body.Set(wire::EndedT());
        break;
      case 9:
        message.body.Set(wire::FailedT());
        break;
      case 10:
        message.body.Set(wire::CancelT());
        break;
      case 11:
        message.body.Set(wire::CancelledT());
        break;
      case 12:
        message.body.Set(wire::KeptT());
        break;
      case 13:
        message.body.Set(wire::ReceivedT());
        break;
      case 14:
      case 15:
        message.body.Set(wire::PingT());
        break;
      case 16:
      case 17: {
        wire::PongT pong;
        pong.sent_ns = script_.yes() ? script_.number_as<std::int64_t>() : asked_ns_;
        message.body.Set(std::move(pong));
        break;
      }
      case 18:
        message.body.Set(wire::ReadingsT());
        break;
      default:
        message.body.Set(wire::ByeT());
        break;
    }
    return message;
  }

  Script& script_;
  std::map<std::uint32_t, Sending> sending_;
  std::uint32_t last_ = 0;
  std::int64_t asked_ns_ = 0;
  bool honest_ = true;
};

}  // namespace convoy::fuzz
