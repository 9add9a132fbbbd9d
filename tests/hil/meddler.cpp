#include "tests/hil/meddler.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "base/hash.hpp"
#include "hil/protocol/frame.hpp"
#include "tests/support/loopback_socket.hpp"

namespace convoy::test {
namespace {

namespace wire = hil::wire;

bool read_all(int socket, std::byte* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::recv(socket, data, bytes, 0);
    if (n <= 0) return false;
    data += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

bool send_all(int socket, const std::byte* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::send(socket, data, bytes, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

bool is_well_formed(const std::vector<std::byte>& message) {
  try {
    hil::check_message(message, base::hash_of(message));
    return true;
  } catch (const hil::ProtocolError&) {
    return false;
  }
}

}  // namespace

Meddler::Meddler(int target, Way way, double share, std::uint64_t seed)
    : target_(target), way_(way), share_(share), listener_(0), port_(0), random_({seed}) {
  const ListeningSocket made = listen_on_loopback();
  listener_ = made.socket;
  port_ = made.port;
  accepts_ = std::jthread([this](const std::stop_token& stop) { accept(stop); });
}

Meddler::~Meddler() {
  accepts_.request_stop();
  accepts_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  pumps_.clear();
  for (const int socket : sockets_) ::close(socket);
}

void Meddler::accept(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd watched{listener_, POLLIN, 0};
    if (::poll(&watched, 1, 20) <= 0) continue;
    const int near = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int far = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(target_);
    if (::connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(near);
      ::close(far);
      continue;
    }
    const std::lock_guard lock(mutex_);
    sockets_.insert(sockets_.end(), {near, far});
    pumps_.emplace_back([this, near, far] { pump(near, far, way_ == Way::to_coordinator); });
    pumps_.emplace_back([this, near, far] { pump(far, near, way_ == Way::to_agent); });
  }
}

void Meddler::pump(int from, int to, bool meddles) {
  std::vector<Frame> late;
  const auto pass_on = [&](const Frame& frame) {
    hil::FrameHeader header;
    header.message_bytes = static_cast<std::uint32_t>(frame.message.size());
    header.payload_bytes = static_cast<std::uint32_t>(frame.payload.size());
    header.message_hash = base::hash_of(frame.message);
    header.payload_hash = frame.payload.empty() ? 0 : base::hash_of(frame.payload);
    const auto head = hil::encode(header);
    return send_all(to, head.data(), head.size()) &&
           send_all(to, frame.message.data(), frame.message.size()) &&
           send_all(to, frame.payload.data(), frame.payload.size());
  };
  std::array<std::byte, hil::frame_header_bytes> head{};
  bool goes_on = true;
  while (goes_on && read_all(from, head.data(), head.size())) {
    Frame frame;
    try {
      const hil::FrameHeader header = hil::decode(head, hil::Limits::coordinator());
      frame.message.resize(header.message_bytes);
      frame.payload.resize(header.payload_bytes);
    } catch (const hil::ProtocolError&) {
      break;
    }
    if (!read_all(from, frame.message.data(), frame.message.size()) ||
        !read_all(from, frame.payload.data(), frame.payload.size())) {
      break;
    }
    std::vector<Frame> behind = std::exchange(late, {});
    std::vector<Frame> frames;
    if (meddles && !rests_ && is_of_a_task(frame.message)) {
      const std::lock_guard lock(mutex_);
      frames = random_.uniform() < share_ ? meddled(std::move(frame), late)
                                          : std::vector<Frame>{std::move(frame)};
    } else {
      frames = {std::move(frame)};
    }
    frames.insert(frames.end(), behind.begin(), behind.end());
    for (const Frame& each : frames) goes_on = goes_on && pass_on(each);
  }
  ::shutdown(from, SHUT_RDWR);
  ::shutdown(to, SHUT_RDWR);
}

bool Meddler::is_of_a_task(const Bytes& message) const {
  if (!is_well_formed(message)) return false;
  switch (hil::check_message(message, base::hash_of(message)).body_type()) {
    case wire::Body::Assign:
    case wire::Body::Begin:
    case wire::Body::Began:
    case wire::Body::Ended:
    case wire::Body::Failed:
    case wire::Body::Cancel:
    case wire::Body::Cancelled:
    case wire::Body::Kept:
    case wire::Body::Offer:
    case wire::Body::Chunk:
    case wire::Body::Received:
      return true;
    default:
      return false;
  }
}

std::vector<Meddler::Frame> Meddler::meddled(Frame frame, std::vector<Frame>& late) {
  ++changed_;
  switch (random_.below(6)) {
    case 0:
      return {};
    case 1:
      return {frame, frame};
    case 2:
      late.push_back(std::move(frame));
      return {};
    default:
      break;
  }
  if (frame.payload.empty() || random_.uniform() < 0.2) {
    change(frame.message);
  } else if (random_.uniform() < 0.3) {
    std::fill(frame.payload.begin(), frame.payload.end(), std::byte{0xff});  // NaN
  } else {
    for (int i = 0; i < 8; ++i) {
      frame.payload[random_.below(frame.payload.size())] = std::byte(random_.below(256));
    }
  }
  return {std::move(frame)};
}

// One byte, so that it still is a message, if that can be found.
void Meddler::change(Bytes& message) {
  for (int tries = 0; tries < 100; ++tries) {
    Bytes other = message;
    other[random_.below(other.size())] = std::byte(random_.below(256));
    if (other == message || !is_well_formed(other) || !is_of_a_task(other)) continue;
    message = std::move(other);
    return;
  }
}

}  // namespace convoy::test
