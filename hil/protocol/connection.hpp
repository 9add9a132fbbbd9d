#pragma once

// An established connection: sends and receives messages and parcels, sends heartbeats, and ends
// with a reason. All calls and handlers run in the thread (or strand) of its executor.
//
//   auto connection = std::make_shared<Connection>(std::move(stream));
//   connection->start({.message = ..., .closed = ...});
//   connection->send(wire::PingT{...});
//
// Messages have priority over chunks of parcels. Parcels are sent from and received into their
// final memory, without copies.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/non_copyable.hpp"
#include "engine/api/parcel.hpp"
#include "hil/protocol/frame.hpp"
#include "hil/protocol/stream.hpp"

namespace convoy::hil {

// This machine's steady clock: seconds since a fixed moment.
double steady_seconds();
std::int64_t steady_nanoseconds();

// Does the work after a while, unless the timer is set anew or cancelled before.
template <class Work>
void after(asio::steady_timer& timer, std::chrono::milliseconds wait, Work work) {
  timer.expires_after(wait);
  timer.async_wait([work = std::move(work)](const error_code& cancelled) {
    if (!cancelled) work();
  });
}

class Connection : base::NonCopyable, public std::enable_shared_from_this<Connection> {
 public:
  struct Handlers {
    std::function<void(const wire::Message&)> message;   // message valid during the call; may throw
    std::function<void(const std::string& why)> closed;  // called once, as the last handler
  };

  explicit Connection(std::unique_ptr<Stream> stream);
  ~Connection();

  // Begins to read. Closes after `lost_after` without a byte from the peer.
  void start(Handlers handlers, std::chrono::milliseconds heartbeat,
             std::chrono::milliseconds lost_after);
  // Replaces the handlers.
  void handlers(Handlers handlers) { handlers_ = std::move(handlers); }
  // The peer is authenticated: raises the size limits.
  void trust(const Limits& limits, std::chrono::milliseconds heartbeat,
             std::chrono::milliseconds lost_after, bool compress);

  template <class Body>
  void send(Body body) {
    send_bytes(pack_body(std::move(body)));
  }
  // Announces a parcel and sends it; gives the transfer's number. `artifact`: see Offer.
  std::uint32_t send_parcel(std::int64_t task, std::int32_t attempt, engine::Parcel parcel,
                            int artifact = -1);
  // Does not send the rest of a task's parcels.
  void drop_parcels(std::int64_t task);

  // Answers an Offer, within the message handler: where to put the bytes, and whom to call when all
  // are received. Offers without an answer are read and dropped.
  void take(const wire::Offer& offer, std::shared_ptr<engine::Unpacking> box,
            std::function<void()> done);
  // Called within the message handler: the answer to the offer follows later. Until then nothing
  // more is read and silence does not close the connection; sending goes on.
  void hold() { held_ = true; }
  // The late answer, as take(); without a box the bytes are dropped.
  void go_on(std::uint32_t transfer, std::shared_ptr<engine::Unpacking> box,
             std::function<void()> done);

  // Sends the queued messages, but no parcels, and closes when the peer has read them or after a
  // time limit. Incoming data is dropped from now on.
  void finish(const std::string& why);
  void close(const std::string& why);
  [[nodiscard]] bool is_open() const { return open_; }
  // The connection is closed, or finish() was called.
  [[nodiscard]] bool is_ending() const { return !open_ || !finishing_.empty(); }

  // Shortest recent ping, in seconds.
  [[nodiscard]] std::optional<double> round_trip_s() const;
  // How much the delays of two messages may differ, in seconds, from the pings.
  [[nodiscard]] double jitter_s() const;

  [[nodiscard]] const Stream& stream() const { return *stream_; }
  // Bytes of chunks, both directions.
  [[nodiscard]] std::uint64_t payload_bytes() const { return payload_bytes_; }
  // Seconds since the last byte from the peer.
  [[nodiscard]] double silence_s() const { return steady_seconds() - last_heard_; }

 private:
  struct Outgoing {
    std::uint32_t transfer = 0;
    std::int64_t task = 0;
    engine::Parcel parcel;
    std::uint64_t total = 0;
    std::uint64_t offset = 0;
  };
  struct Incoming {
    std::shared_ptr<engine::Unpacking> box;  // null: bytes are dropped
    std::uint64_t total = 0;
    std::uint64_t offset = 0;
    std::function<void()> done;
  };

  void send_bytes(std::vector<std::byte> message);
  void write_next();
  void linger();
  void end_within(std::chrono::milliseconds patience);
  void write(std::vector<std::byte> message, const std::vector<std::span<const std::byte>>& payload,
             std::vector<std::byte> own);
  void write_chunk();
  void read_header();
  void read_message();
  void read_payload(const wire::Chunk& chunk);
  void got_payload(const wire::Chunk& chunk, const std::vector<std::span<std::byte>>& where);
  void handle(const wire::Message& message);
  void end_empty(std::uint32_t transfer);
  void heard_of(const wire::Pong& pong);
  void tick();
  // Runs `work`; closes the connection if the peer has broken the protocol.
  template <class Work>
  void guarded(Work work);
  template <class Buffers, class Next>
  void read(const Buffers& buffers, Next next);

  std::unique_ptr<Stream> stream_;
  asio::steady_timer timer_;
  Handlers handlers_;
  Limits limits_ = Limits::unknown_peer();
  std::chrono::milliseconds heartbeat_{1000};
  std::chrono::milliseconds lost_after_{15000};
  bool compress_ = false;
  bool open_ = true;
  bool held_ = false;
  std::string finishing_;          // reason for the end after sending; empty: none
  bool lingering_ = false;         // all is sent; waiting for the peer
  std::string broken_;             // why sending has failed
  std::optional<double> ends_by_;  // latest end, steady clock

  std::deque<std::vector<std::byte>> messages_;  // queue to be sent
  std::deque<Outgoing> parcels_;
  bool writing_ = false;
  std::vector<std::byte> head_;  // header and message being written
  std::vector<std::byte> body_;  // payload being written, where it is compressed
  engine::Parcel kept_;          // owner of the bytes being written
  std::uint32_t next_transfer_ = 1;

  std::array<std::byte, frame_header_bytes> header_bytes_{};
  FrameHeader header_;
  std::vector<std::byte> message_;
  std::vector<std::byte> payload_;
  std::map<std::uint32_t, Incoming> incoming_;
  std::uint32_t last_offer_ = 0;

  double last_heard_ = 0;
  std::deque<double> trips_;        // s
  std::deque<std::int64_t> pings_;  // not answered yet
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t waiting_bytes_ = 0;  // of the queued messages
};

// Says why, and closes when it is said.
void refuse(Connection& connection, const std::string& reason, bool for_good);

}  // namespace convoy::hil
