// libFuzzer target for frames and the connection that reads them: any input of a peer is handled,
// or the connection ends once and with a reason; memory stays within the limits. The first byte
// says whether the rest is a stream of frames or the script of a conversation (peer_script.hpp), in
// which our side also sends.

#include <sanitizer/allocator_interface.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <stdexcept>

#include "hil/protocol/connection.hpp"
#include "tests/fuzz/peer_script.hpp"

namespace {

using namespace convoy;  // NOLINT(google-build-using-namespace)
using fuzz::Bytes;
using fuzz::Peer;
using fuzz::Script;
using hil::wire::Message;

void insist(bool so) {
  if (!so) std::abort();
}

// --- frames --------------------------------------------------------------------------------------

void read_message(const Bytes& bytes, std::uint64_t hash) {
  const Message& message = hil::check_message(bytes, hash);
  insist(message.body_type() > hil::wire::Body::NONE &&
         message.body_type() <= hil::wire::Body::MAX);
  // Everything in the message can be read and written again.
  hil::wire::MessageT copy;
  message.UnPackTo(&copy);
  const std::vector<std::byte> again = hil::pack(copy);
  hil::check_message(again, base::hash_of(again));
}

void read_frames(Script& script) {
  const bool as_it_is = script.yes();
  const hil::Limits limits =
      script.yes() ? hil::Limits::coordinator() : hil::Limits::unknown_peer();
  try {
    while (!script.ended()) {
      Bytes head = script.bytes(hil::frame_header_bytes);
      head.resize(hil::frame_header_bytes);
      if (!as_it_is) {
        std::copy_n("CVYF", 4, reinterpret_cast<char*>(head.data()));
        std::fill_n(head.begin() + 12, 4, std::byte{0});  // without a hash of the header
      }
      hil::FrameHeader header = hil::decode(
          std::span<const std::byte, hil::frame_header_bytes>(head.data(), head.size()), limits);
      insist(header.message_bytes <= limits.message && header.payload_bytes <= limits.payload);
      const auto again = hil::encode(header);
      insist(std::equal(again.begin(), again.begin() + 12, head.begin()) &&
             std::equal(again.begin() + 16, again.end(), head.begin() + 16));
      const Bytes message = script.bytes(header.message_bytes);
      const Bytes payload = script.bytes(header.payload_bytes);
      if (!as_it_is) header.message_hash = base::hash_of(message);
      read_message(message, header.message_hash);
      const std::size_t longest = script.number() % (4U << 20U);
      insist(hil::decompress(payload, longest).size() <= longest);
    }
  } catch (const hil::ProtocolError&) {
    return;
  }
}

// --- a conversation ------------------------------------------------------------------------------

class Box final : public engine::Unpacking {
 public:
  // In pieces, each in memory of its own, so that writing past a piece is detected.
  Box(std::uint64_t bytes, std::uint64_t each) {
    for (std::uint64_t at = 0; at < bytes; at += each) {
      memory_.emplace_back(std::min(each, bytes - at));
    }
    for (Bytes& piece : memory_) pieces_.emplace_back(piece);
  }
  [[nodiscard]] const std::vector<std::span<std::byte>>& pieces() const override { return pieces_; }

 private:
  std::vector<Bytes> memory_;
  std::vector<std::span<std::byte>> pieces_;
};

class Conversation {
 public:
  explicit Conversation(Script& script) : script_(script), peer_(script) {
    io().restart();
    std::array<int, 2> ends{};
    insist(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    other_ = ends[1];
    hil::tcp::socket socket(io());
    socket.assign(hil::tcp::v4(), ends[0]);
    connection_ = std::make_shared<hil::Connection>(
        std::make_unique<hil::Stream>(std::move(socket), nullptr));
    weak_ = connection_;
    before_ = __sanitizer_get_current_allocated_bytes();
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation() {
    if (other_ >= 0) ::close(other_);
    settle();
    insist(closed_ == 1);  // the handler is told about the end
    connection_.reset();
    settle();
    insist(weak_.expired());
  }

  void run() {
    const std::uint8_t way = script_.byte();
    known_ = way % 4 != 0;
    reads_ = way % 8 != 7;
    takes_ = (way & 16U) == 0;
    trouble_at_ = (way & 32U) != 0 ? script_.byte() % 16 : -1;
    connection_->start({[this](const Message& message) { hear(message); },
                        [this](const std::string& why) { insist(++closed_ == 1 && !why.empty()); }},
                       std::chrono::hours(1), std::chrono::hours(2));
    if (known_)
      connection_->trust(hil::Limits::coordinator(), std::chrono::hours(1), std::chrono::hours(2),
                         script_.yes());
    for (int words = 0; words < 200 && !script_.ended() && closed_ == 0; ++words) {
      if (script_.byte() % 8 == 0) {
        act();
      } else {
        say(peer_.next());
      }
      settle();
    }
  }

 private:
  static hil::asio::io_context& io() {
    static hil::asio::io_context context(1);
    return context;
  }

  void settle() {
    for (int quiet = 0; quiet < 2;) {
      quiet = io().poll() == 0 && (!reads_ || !drain()) ? quiet + 1 : 0;
      bounded();
    }
  }
  // Limits: memory that a peer may make us use, and memory that a script may use.
  void bounded() const {
    const std::size_t held = __sanitizer_get_current_allocated_bytes();
    const std::size_t most = (known_ ? 72U << 20U : 2U << 20U) + (8U << 20U);
    insist(held < before_ + most);
  }
  bool drain() {
    std::array<std::byte, 65536> some{};
    bool any = false;
    while (other_ >= 0) {
      const ssize_t n = ::read(other_, some.data(), some.size());
      if (n <= 0) break;
      // The first message is a ping, which may be answered.
      if (heard_bytes_ == 0) peer_.hear({some.data(), static_cast<std::size_t>(n)});
      heard_bytes_ += static_cast<std::size_t>(n);
      any = true;
    }
    return any;
  }
  void say(const Bytes& bytes) {
    std::size_t said = 0;
    while (said < bytes.size() && closed_ == 0) {
      const ssize_t n = ::send(other_, bytes.data() + said, bytes.size() - said, MSG_NOSIGNAL);
      if (n > 0) said += static_cast<std::size_t>(n);
      settle();
    }
  }

  // Our side of the conversation.
  void act() {
    switch (script_.byte() % 8) {
      case 0:
        connection_->send(hil::wire::ReadyT());
        break;
      case 1:
        connection_->finish("finished");
        break;
      case 2:
        connection_->close("closed");
        break;
      case 3:
        connection_->drop_parcels(script_.byte() % 4);
        break;
      case 4:
        ::shutdown(other_, SHUT_WR);
        break;
      case 5:
        ::shutdown(other_, SHUT_RD);
        break;
      default: {
        const auto memory = std::make_shared<Bytes>(1000 * script_.byte());
        engine::Parcel parcel;
        parcel.header = "{}";
        parcel.pieces.emplace_back(*memory);
        parcel.keeps = memory;
        connection_->send_parcel(script_.byte() % 4, 1, std::move(parcel));
      }
    }
  }

  void hear(const Message& message) {
    insist(closed_ == 0);
    bounded();
    if (heard_++ == trouble_at_) {
      if (script_.yes()) throw std::runtime_error("trouble");
      connection_->close("trouble");
      return;
    }
    const hil::wire::Offer* offer = message.body_as_Offer();
    if (offer == nullptr) return;
    insist(known_ || offer->bytes() == 0);
    if (!takes_ || offer->bytes() > 64'000) return;
    // Thousands of tiny pieces are slow and test nothing new.
    const std::uint64_t least = 1 + offer->bytes() / 1000;
    auto box = std::make_shared<Box>(offer->bytes(), least + script_.byte() * 30ULL);
    connection_->take(*offer, box,
                      [this, box, transfer = offer->transfer(), bytes = offer->bytes()] {
                        insist(closed_ == 0);
                        if (!peer_.is_honest()) return;
                        insist(peer_.has_sent(transfer));
                        std::uint64_t at = 0;
                        for (const auto& piece : box->pieces()) {
                          for (const std::byte byte : piece)
                            insist(byte == fuzz::honest_byte(transfer, at++));
                        }
                        insist(at == bytes);
                      });
  }

  Script& script_;
  Peer peer_;
  std::shared_ptr<hil::Connection> connection_;
  std::weak_ptr<hil::Connection> weak_;
  int other_ = -1;
  std::size_t before_ = 0;
  bool known_ = true;
  bool reads_ = true;
  bool takes_ = true;
  int trouble_at_ = -1;  // number of the message at which the handler throws
  int heard_ = 0;
  std::size_t heard_bytes_ = 0;  // by the peer
  int closed_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script(data, size);
  if (script.byte() % 4 == 0) {
    read_frames(script);
  } else {
    Conversation(script).run();
  }
  return 0;
}
