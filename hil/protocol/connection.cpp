#include "hil/protocol/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/hash.hpp"

namespace convoy::hil {
namespace {

constexpr std::size_t pings_kept = 32;
constexpr std::uint64_t most_waiting_bytes = 256 << 20;
constexpr std::size_t most_transfers = 16;  // limit for a peer's unfinished transfers
constexpr std::size_t most_waiting = 1024;  // messages queued before pings are ignored
constexpr auto linger_time = std::chrono::milliseconds(2000);

std::string kind_of(const wire::Message& message) {
  return wire::EnumNameBody(message.body_type());
}

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
std::int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Connection::Connection(std::unique_ptr<Stream> stream)
    : stream_(std::move(stream)), timer_(stream_->executor()) {}
Connection::~Connection() = default;

template <class Work>
void Connection::guarded(Work work) {
  try {
    work();
  } catch (const ProtocolError& e) {
    close(fmt::format("the peer does not keep to the protocol: {}", e.what()));
  } catch (const std::exception& e) {
    close(e.what());
  }
}

void Connection::start(Handlers handlers, std::chrono::milliseconds heartbeat,
                       std::chrono::milliseconds lost_after) {
  handlers_ = std::move(handlers);
  heartbeat_ = heartbeat;
  lost_after_ = lost_after;
  last_heard_ = steady_seconds();
  read_header();
  tick();
}

void Connection::trust(const Limits& limits, std::chrono::milliseconds heartbeat,
                       std::chrono::milliseconds lost_after, bool compress) {
  limits_ = limits;
  heartbeat_ = heartbeat;
  lost_after_ = lost_after;
  compress_ = compress;
  timer_.cancel();  // ticks at once, then at the new rate
}

// --- sending ------------------------------------------------------------------------------------

void Connection::send_bytes(std::vector<std::byte> message) {
  if (!open_ || !broken_.empty() || lingering_) return;
  waiting_bytes_ += message.size();
  if (waiting_bytes_ > most_waiting_bytes) {
    close("the peer does not read what it is sent");
    return;
  }
  messages_.push_back(std::move(message));
  write_next();
}

std::uint32_t Connection::send_parcel(std::int64_t task, std::int32_t attempt,
                                      engine::Parcel parcel, int artifact) {
  const std::uint32_t transfer = next_transfer_++;
  const std::uint64_t bytes = parcel.bytes();
  auto offer = of_task<wire::OfferT>(task, attempt);
  offer.transfer = transfer;
  offer.header = parcel.header;
  offer.bytes = bytes;
  offer.artifact = artifact;
  if (bytes > 0) parcels_.push_back({transfer, task, std::move(parcel), bytes, 0});
  send(std::move(offer));
  return transfer;
}

void Connection::drop_parcels(std::int64_t task) {
  std::erase_if(parcels_, [&](const Outgoing& o) { return o.task == task; });
}

void Connection::write_next() {
  if (writing_ || !broken_.empty() || !open_) return;
  if (!messages_.empty()) {
    std::vector<std::byte> message = std::move(messages_.front());
    messages_.pop_front();
    waiting_bytes_ -= message.size();
    write(std::move(message), {}, {});
  } else if (!parcels_.empty() && finishing_.empty()) {
    write_chunk();
  } else if (!finishing_.empty()) {
    linger();
  }
}

// Closing a socket with unread bytes discards unsent data: so wait until the peer closes or the
// time limit ends.
void Connection::linger() {
  if (lingering_) return;
  lingering_ = true;
  stream_->end_sending();
  end_within(linger_time);
}

void Connection::end_within(std::chrono::milliseconds patience) {
  ends_by_ = steady_seconds() + std::chrono::duration<double>(patience).count();
  heartbeat_ = std::min(heartbeat_, patience);
  timer_.cancel();  // ticks at once
}

void Connection::write_chunk() {
  Outgoing& out = parcels_.front();
  const std::uint64_t bytes = std::min<std::uint64_t>(chunk_bytes, out.total - out.offset);
  const std::vector<std::span<const std::byte>> raw = part_of(out.parcel.pieces, out.offset, bytes);
  wire::ChunkT chunk;
  chunk.transfer = out.transfer;
  chunk.offset = out.offset;
  chunk.bytes = static_cast<std::uint32_t>(bytes);
  std::vector<std::byte> small;
  if (compress_) small = compress(raw);
  chunk.zstd = !small.empty() && small.size() < bytes;
  out.offset += bytes;
  kept_ = out.parcel;  // shares the memory
  if (out.offset == out.total) parcels_.pop_front();
  const bool zstd = chunk.zstd;
  write(pack_body(chunk), zstd ? std::vector<std::span<const std::byte>>() : raw,
        zstd ? std::move(small) : std::vector<std::byte>());
}

void Connection::write(std::vector<std::byte> message,
                       const std::vector<std::span<const std::byte>>& payload,
                       std::vector<std::byte> own) {
  writing_ = true;
  body_ = std::move(own);
  std::vector<asio::const_buffer> buffers(1);
  FrameHeader header;
  header.message_bytes = static_cast<std::uint32_t>(message.size());
  header.message_hash = base::hash_of(message);
  base::Hash hash;
  std::uint64_t bytes = 0;
  const auto add = [&](std::span<const std::byte> piece) {
    hash.add(piece);
    bytes += piece.size();
    buffers.emplace_back(piece.data(), piece.size());
  };
  for (const auto& piece : payload) add(piece);
  if (!body_.empty()) add(body_);
  header.payload_bytes = static_cast<std::uint32_t>(bytes);
  header.payload_hash = bytes > 0 ? hash.value() : 0;
  const auto head = encode(header);
  head_.assign(head.begin(), head.end());
  head_.insert(head_.end(), message.begin(), message.end());
  buffers.front() = asio::buffer(head_);
  stream_->write(buffers,
                 [self = shared_from_this(), bytes](const error_code& failure, std::size_t) {
                   self->writing_ = false;
                   self->payload_bytes_ += bytes;
                   self->kept_ = {};
                   if (failure) {
                     // The peer's last messages may still be unread: the reader will find the end.
                     self->broken_ = fmt::format("the connection broke: {}", failure.message());
                     self->messages_.clear();
                     self->parcels_.clear();
                     if (self->open_) self->end_within(linger_time);
                   } else {
                     self->write_next();
                   }
                 });
}

// --- receiving ----------------------------------------------------------------------------------

template <class Buffers, class Next>
void Connection::read(const Buffers& buffers, Next next) {
  const auto progress = [self = shared_from_this()](const error_code& failure, std::size_t n) {
    if (n > 0) self->last_heard_ = steady_seconds();
    return asio::transfer_all()(failure, n);
  };
  stream_->read(
      buffers, progress,
      [self = shared_from_this(), next](const error_code& failure, std::size_t n) {
        if (!self->open_) return;
        // Data received in one piece does not pass through `progress`.
        if (n > 0) self->last_heard_ = steady_seconds();
        if (failure == asio::error::eof || failure == asio::ssl::error::stream_truncated) {
          self->close("the peer closed the connection");
        } else if (failure) {
          self->close(fmt::format("the connection broke: {}", failure.message()));
        } else {
          self->guarded(next);
        }
      });
}

void Connection::read_header() {
  read(asio::buffer(header_bytes_), [this] {
    header_ = decode(header_bytes_, limits_);
    message_.resize(header_.message_bytes);
    read_message();
  });
}

void Connection::read_message() {
  read(asio::buffer(message_), [this] {
    const wire::Message& message = check_message(message_, header_.message_hash);
    if (const wire::Chunk* chunk = message.body_as_Chunk()) {
      read_payload(*chunk);
      return;
    }
    if (header_.payload_bytes != 0) {
      throw ProtocolError(fmt::format("a payload after {}", kind_of(message)));
    }
    handle(message);
    if (open_ && !held_) read_header();
  });
}

void Connection::read_payload(const wire::Chunk& chunk) {
  const auto found = incoming_.find(chunk.transfer());
  if (found == incoming_.end()) throw ProtocolError("a chunk of nothing that was offered");
  const Incoming& in = found->second;
  const std::uint64_t bytes = chunk.bytes();
  if (chunk.offset() != in.offset) throw ProtocolError("a chunk out of its order, or repeated");
  if (bytes == 0 || bytes > in.total - in.offset || bytes > chunk_bytes) {
    throw ProtocolError("a chunk of another length than was offered");
  }
  if (!chunk.zstd() && header_.payload_bytes != bytes) {
    throw ProtocolError("a chunk that does not hold what it says");
  }
  // Parcels are sent one after another: earlier unfinished ones were cancelled.
  incoming_.erase(incoming_.begin(), found);
  if (chunk.zstd() || !in.box) {
    payload_.resize(header_.payload_bytes);
    read(asio::buffer(payload_), [this, &chunk] { got_payload(chunk, {payload_}); });
    return;
  }
  const std::vector<std::span<std::byte>> where = part_of(in.box->pieces(), in.offset, bytes);
  std::vector<asio::mutable_buffer> buffers;
  buffers.reserve(where.size());
  for (const auto& piece : where) buffers.emplace_back(piece.data(), piece.size());
  // Keeps the box until writing into it has ended, also if the connection ends before.
  read(buffers, [this, &chunk, where, box = in.box] { got_payload(chunk, where); });
}

// `chunk` lies in message_, which stays unchanged until the next header is read.
void Connection::got_payload(const wire::Chunk& chunk,
                             const std::vector<std::span<std::byte>>& where) {
  base::Hash hash;
  for (const auto& piece : where) hash.add(piece);
  if (hash.value() != header_.payload_hash) {
    throw ProtocolError("a chunk that was damaged on its way");
  }
  const auto found = incoming_.find(chunk.transfer());
  Incoming& in = found->second;
  if (chunk.zstd()) {
    const std::vector<std::byte> raw = decompress(payload_, chunk.bytes());
    if (raw.size() != chunk.bytes()) throw ProtocolError("a chunk shorter than it says");
    std::size_t from = 0;
    if (in.box) {
      for (const auto& piece : part_of(in.box->pieces(), in.offset, raw.size())) {
        std::memcpy(piece.data(), raw.data() + from, piece.size());
        from += piece.size();
      }
    }
  }
  in.offset += chunk.bytes();
  payload_bytes_ += chunk.bytes();
  if (in.offset == in.total) {
    const auto done = std::move(in.done);
    incoming_.erase(found);
    if (done && finishing_.empty()) done();
  }
  if (open_) read_header();
}

void Connection::handle(const wire::Message& message) {
  if (const wire::Ping* ping = message.body_as_Ping()) {
    // The peer sends pings but does not read.
    if (!finishing_.empty() || messages_.size() >= most_waiting) return;
    wire::PongT pong;
    pong.sent_ns = ping->sent_ns();
    send(pong);
    return;
  }
  if (const wire::Pong* pong = message.body_as_Pong()) {
    heard_of(*pong);
    return;
  }
  const wire::Offer* offer = message.body_as_Offer();
  if (offer != nullptr) {
    if (offer->header() == nullptr) throw ProtocolError("an offer without a header");
    if (offer->bytes() > limits_.transfer) {
      throw ProtocolError(
          fmt::format("an offer of {} bytes, more than {}", offer->bytes(), limits_.transfer));
    }
    if (offer->transfer() <= last_offer_) throw ProtocolError("an offer that was made before");
    last_offer_ = offer->transfer();
    if (incoming_.size() >= most_transfers) throw ProtocolError("too many offers at once");
    incoming_[offer->transfer()] = {nullptr, offer->bytes(), 0, nullptr};
  }
  if (finishing_.empty()) {
    // A copy: the handler may close the connection, which deletes the handlers.
    const auto handler = handlers_.message;
    handler(message);
  }
  if (offer != nullptr && offer->bytes() == 0 && open_ && !held_) end_empty(offer->transfer());
}

// An empty parcel is complete at once.
void Connection::end_empty(std::uint32_t transfer) {
  const auto empty = incoming_.extract(transfer);
  if (!empty.empty() && empty.mapped().done && finishing_.empty()) empty.mapped().done();
}

void Connection::take(const wire::Offer& offer, std::shared_ptr<engine::Unpacking> box,
                      std::function<void()> done) {
  if (!open_) return;
  Incoming& in = incoming_.at(offer.transfer());
  in.box = std::move(box);
  in.done = std::move(done);
}

void Connection::go_on(std::uint32_t transfer, std::shared_ptr<engine::Unpacking> box,
                       std::function<void()> done) {
  if (!open_ || !std::exchange(held_, false)) return;
  last_heard_ = steady_seconds();
  Incoming& in = incoming_.at(transfer);
  in.box = std::move(box);
  in.done = std::move(done);
  guarded([&] {
    if (in.total == 0) end_empty(transfer);
    if (open_) read_header();
  });
}

// --- life ---------------------------------------------------------------------------------------

void Connection::heard_of(const wire::Pong& pong) {
  const auto ping = std::find(pings_.begin(), pings_.end(), pong.sent_ns());
  if (ping == pings_.end()) throw ProtocolError("an answer to no ping");
  pings_.erase(pings_.begin(), ping + 1);
  const std::int64_t now = steady_nanoseconds();
  if (pong.sent_ns() < 0 || pong.sent_ns() > now) throw ProtocolError("an answer to no ping");
  trips_.push_back(1e-9 * static_cast<double>(now - pong.sent_ns()));
  if (trips_.size() > pings_kept) trips_.pop_front();
}

std::optional<double> Connection::round_trip_s() const {
  return trips_.empty() ? std::nullopt : std::optional(std::ranges::min(trips_));
}

double Connection::jitter_s() const {
  return trips_.empty() ? 0 : std::ranges::max(trips_) - std::ranges::min(trips_);
}

void Connection::tick() {
  if (!open_) return;
  if (ends_by_ && steady_seconds() >= *ends_by_) {
    close(broken_.empty() ? finishing_ : broken_);
    return;
  }
  const double silence = steady_seconds() - last_heard_;
  if (!held_ && silence > std::chrono::duration<double>(lost_after_).count()) {
    close(fmt::format("no sign of life for {:.1f} s", silence));
    return;
  }
  // Restart the timer first, so that an error below does not stop the ticks.
  timer_.expires_after(heartbeat_);
  timer_.async_wait([self = shared_from_this()](const error_code&) { self->tick(); });
  if (finishing_.empty()) {
    wire::PingT ping;
    ping.sent_ns = steady_nanoseconds();
    pings_.push_back(ping.sent_ns);
    send(ping);
  }
}

void Connection::finish(const std::string& why) {
  if (!open_ || !finishing_.empty()) return;
  finishing_ = why;
  end_within(lost_after_);
  write_next();
}

void Connection::close(const std::string& why) {
  if (!open_) return;
  open_ = false;
  timer_.cancel();
  stream_->close();
  messages_.clear();
  parcels_.clear();
  incoming_.clear();
  const std::string reason = finishing_.empty() ? why : finishing_;
  const auto closed = std::move(handlers_.closed);
  // The handlers may hold the last reference to their owner.
  handlers_ = {};
  if (closed) closed(reason);
}

void refuse(Connection& connection, const std::string& reason, bool for_good) {
  wire::RefusedT refused;
  refused.reason = reason;
  refused.for_good = for_good;
  connection.send(std::move(refused));
  connection.finish(reason);
}

}  // namespace convoy::hil
