#pragma once

// Two ends of a connection in one thread: Connections whose handlers record what they get, and a
// peer whose bytes a test writes by hand.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hil/protocol/connection.hpp"

namespace convoy::hil::test {

using Bytes = std::vector<std::byte>;

constexpr std::size_t large = 24 << 20;  // bytes; more than the sockets' buffers hold

Bytes bytes_of(std::string_view text);
// A correct frame around a message and its payload.
Bytes frame_of(const Bytes& message, const Bytes& payload = {});
template <class Body>
Bytes frame(Body body, const Bytes& payload = {}) {
  return frame_of(pack_body(std::move(body)), payload);
}
Bytes operator+(Bytes a, const Bytes& b);

// Runs the context until the condition holds; false if it does not hold within a long time.
bool run_until(asio::io_context& io, const std::function<bool()>& so);
// Runs the context until no work is left: everything is closed, and every handler was called.
bool run_dry(asio::io_context& io);

// Two sockets connected by TCP over the loopback.
std::pair<tcp::socket, tcp::socket> socket_pair(asio::io_context& io);

// Memory for a parcel in pieces of these sizes.
class Box final : public engine::Unpacking {
 public:
  explicit Box(const std::vector<std::size_t>& sizes);
  [[nodiscard]] const std::vector<std::span<std::byte>>& pieces() const override { return pieces_; }
  [[nodiscard]] Bytes content() const;

 private:
  std::vector<Bytes> memory_;
  std::vector<std::span<std::byte>> pieces_;
};

// A parcel in pieces of these sizes: noise, or what compresses well.
engine::Parcel parcel_of(const std::vector<std::size_t>& sizes, bool dull = false);
Bytes content(const engine::Parcel& parcel);

// One end: a Connection and the record of its handlers. Unexpected handlers fail the test.
class End {
 public:
  // How the end answers offers.
  enum class Offers { take, ignore };

  explicit End(std::unique_ptr<Stream> stream);
  explicit End(tcp::socket socket) : End(std::make_unique<Stream>(std::move(socket), nullptr)) {}
  ~End();
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  // Long enough that no test waits for either, unless a test sets them.
  void start(std::chrono::milliseconds heartbeat = std::chrono::hours(1),
             std::chrono::milliseconds lost_after = std::chrono::hours(2));
  void trust(bool compress = false);

  [[nodiscard]] bool is_closed() const { return closed > 0; }
  // Number of messages of this kind, such as "Offer".
  [[nodiscard]] int heard(std::string_view kind) const;

  std::shared_ptr<Connection> connection;
  Offers offers = Offers::take;
  std::vector<std::size_t> sizes;                  // sizes of the boxes' pieces; empty: one piece
  std::function<void(const wire::Message&)> also;  // called in addition to the record
  std::function<void()> on_closed;

  std::vector<std::string> log;  // kinds of messages; "done 3": the parcel of transfer 3
  std::vector<std::shared_ptr<Box>> boxes;
  int closed = 0;
  std::string why;

 private:
  void hear(const wire::Message& message);
};

// The other end, by hand: blocking, as far as the sockets' buffers hold the data.
class RawPeer {
 public:
  explicit RawPeer(tcp::socket socket) : socket_(std::move(socket)) {}
  void send(const Bytes& bytes);
  void close() { socket_.close(); }
  void end_sending() { socket_.shutdown(tcp::socket::shutdown_send); }
  // Reads until the peer ends the stream; runs the context meanwhile.
  Bytes read_all(asio::io_context& io);
  // The times in this number of pings; no other message may come. May be called once.
  std::vector<std::int64_t> read_pings(asio::io_context& io, std::size_t count);
  tcp::socket& socket() { return socket_; }

 private:
  tcp::socket socket_;
};

// The kinds of the messages in these frames. Fails the test for other bytes.
std::vector<std::string> kinds_in(const Bytes& frames);

}  // namespace convoy::hil::test
