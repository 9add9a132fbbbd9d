#include "tests/hil/protocol/support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/hash.hpp"

namespace convoy::hil::test {
namespace {

constexpr auto patience = std::chrono::seconds(60);

Bytes pinged() {
  wire::PingT ping;
  ping.sent_ns = 1;  // a field with a value other than its default is written
  return frame(std::move(ping));
}

}  // namespace

Bytes bytes_of(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

Bytes frame_of(const Bytes& message, const Bytes& payload) {
  FrameHeader header;
  header.message_bytes = static_cast<std::uint32_t>(message.size());
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.message_hash = base::hash_of(message);
  header.payload_hash = payload.empty() ? 0 : base::hash_of(payload);
  const auto head = encode(header);
  return Bytes(head.begin(), head.end()) + message + payload;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

bool run_until(asio::io_context& io, const std::function<bool()>& so) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!so()) {
    if (std::chrono::steady_clock::now() > end) return false;
    io.restart();
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

bool run_dry(asio::io_context& io) {
  io.restart();
  io.run_for(patience);
  return io.stopped();
}

std::pair<tcp::socket, tcp::socket> socket_pair(asio::io_context& io) {
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  tcp::socket a(io);
  a.connect(acceptor.local_endpoint());
  return {std::move(a), acceptor.accept()};
}

Box::Box(const std::vector<std::size_t>& sizes) {
  for (const std::size_t size : sizes) memory_.emplace_back(size);
  for (Bytes& piece : memory_) pieces_.emplace_back(piece);
}

Bytes Box::content() const {
  Bytes all;
  for (const Bytes& piece : memory_) all = std::move(all) + piece;
  return all;
}

engine::Parcel parcel_of(const std::vector<std::size_t>& sizes, bool dull) {
  const auto memory = std::make_shared<std::vector<Bytes>>();
  std::mt19937_64 noise(sizes.size());
  for (const std::size_t size : sizes) {
    Bytes& piece = memory->emplace_back(size);
    for (std::size_t i = 0; i < size; ++i) piece[i] = std::byte(dull ? i / 1000 : noise() % 256);
  }
  engine::Parcel parcel;
  parcel.header = "{}";
  for (const Bytes& piece : *memory) parcel.pieces.emplace_back(piece);
  parcel.keeps = memory;
  return parcel;
}

Bytes content(const engine::Parcel& parcel) {
  Bytes all;
  for (const auto& piece : parcel.pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

End::End(std::unique_ptr<Stream> stream)
    : connection(std::make_shared<Connection>(std::move(stream))) {}

End::~End() {
  if (connection) connection->handlers({});
  if (connection) connection->close("the test ends");
}

void End::start(std::chrono::milliseconds heartbeat, std::chrono::milliseconds lost_after) {
  connection->start({[this](const wire::Message& message) { hear(message); },
                     [this](const std::string& reason) {
                       ++closed;
                       EXPECT_EQ(closed, 1) << "closed twice: " << reason;
                       EXPECT_FALSE(reason.empty());
                       why = reason;
                       if (on_closed) on_closed();
                     }},
                    heartbeat, lost_after);
}

void End::trust(bool compress) {
  connection->trust(Limits::coordinator(), std::chrono::hours(1), std::chrono::hours(2), compress);
}

int End::heard(std::string_view kind) const {
  return static_cast<int>(std::count(log.begin(), log.end(), kind));
}

void End::hear(const wire::Message& message) {
  log.emplace_back(wire::EnumNameBody(message.body_type()));
  EXPECT_EQ(closed, 0) << log.back() << " after the end";
  const wire::Offer* offer = message.body_as_Offer();
  if (offer != nullptr && offers == Offers::take) {
    auto box =
        std::make_shared<Box>(sizes.empty() ? std::vector<std::size_t>{offer->bytes()} : sizes);
    boxes.push_back(box);
    connection->take(*offer, box, [this, transfer = offer->transfer()] {
      log.push_back(fmt::format("done {}", transfer));
      EXPECT_EQ(closed, 0) << log.back() << " after the end";
    });
  }
  if (also) also(message);
}

void RawPeer::send(const Bytes& bytes) {
  error_code failure;
  asio::write(socket_, asio::buffer(bytes), failure);
  // The other end may close the connection before it has read everything: no failure of the test.
}

Bytes RawPeer::read_all(asio::io_context& io) {
  Bytes all;
  Bytes some(1 << 16);
  socket_.non_blocking(true);
  const bool ended = run_until(io, [&] {
    error_code failure;
    const std::size_t n = socket_.read_some(asio::buffer(some), failure);
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
    return failure && failure != asio::error::would_block;
  });
  EXPECT_TRUE(ended) << "the peer goes on";
  return all;
}

std::vector<std::int64_t> RawPeer::read_pings(asio::io_context& io, std::size_t count) {
  const std::size_t each = pinged().size();
  Bytes bytes(count * each);
  std::size_t read = 0;
  socket_.non_blocking(true);
  EXPECT_TRUE(run_until(io, [&] {
    error_code failure;
    read += socket_.read_some(asio::buffer(bytes.data() + read, bytes.size() - read), failure);
    return read == bytes.size();
  }));
  socket_.non_blocking(false);
  std::vector<std::int64_t> times;
  for (std::size_t at = 0; at < bytes.size(); at += each) {
    const Bytes message(bytes.begin() + at + frame_header_bytes, bytes.begin() + at + each);
    const wire::Ping* ping = check_message(message, base::hash_of(message)).body_as_Ping();
    if (ping == nullptr) ADD_FAILURE() << "no ping";
    times.push_back(ping == nullptr ? 0 : ping->sent_ns());
  }
  return times;
}

std::vector<std::string> kinds_in(const Bytes& frames) {
  std::vector<std::string> kinds;
  std::span<const std::byte> rest(frames);
  while (!rest.empty()) {
    if (rest.size() < frame_header_bytes) {
      ADD_FAILURE() << "half a header";
      break;
    }
    const FrameHeader header = decode(rest.first<frame_header_bytes>(), Limits::coordinator());
    rest = rest.subspan(frame_header_bytes);
    if (rest.size() < header.message_bytes + header.payload_bytes) {
      ADD_FAILURE() << "half a frame";
      break;
    }
    const Bytes message(rest.begin(), rest.begin() + header.message_bytes);
    kinds.emplace_back(wire::EnumNameBody(check_message(message, header.message_hash).body_type()));
    rest = rest.subspan(header.message_bytes + header.payload_bytes);
  }
  return kinds;
}

}  // namespace convoy::hil::test
