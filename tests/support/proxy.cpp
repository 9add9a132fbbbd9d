#include "tests/support/proxy.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tests/support/loopback_socket.hpp"

namespace convoy::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Late {
  Clock::time_point due;
  std::string data;
};
struct Pair {
  int near;
  int far;
  std::deque<Late> to_near = {};
  std::deque<Late> to_far = {};
};

bool send_all(int socket, const char* data, ssize_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::send(socket, data, static_cast<std::size_t>(bytes), MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    bytes -= n;
  }
  return true;
}

}  // namespace

Proxy::Proxy(int target) : target_(target), listener_(0), port_(0) {
  const ListeningSocket made = listen_on_loopback();
  listener_ = made.socket;
  port_ = made.port;
  thread_ = std::jthread([this](const std::stop_token& stop) { relay(stop); });
}

Proxy::~Proxy() {
  thread_.request_stop();
  thread_.join();
  ::close(listener_);
}

void Proxy::relay(const std::stop_token& stop) {
  std::vector<Pair> pairs;
  std::vector<char> buffer(1 << 16);
  std::optional<base::Random> random;
  const auto end = [](const Pair& p) {
    ::close(p.near);
    ::close(p.far);
  };
  while (!stop.stop_requested()) {
    if (link_ == Link::cut) {
      std::for_each(pairs.begin(), pairs.end(), end);
      pairs.clear();
    }
    std::vector<pollfd> watched = {{listener_, POLLIN, 0}};
    if (link_ == Link::up) {
      for (const Pair& p : pairs) {
        watched.push_back({p.near, POLLIN, 0});
        watched.push_back({p.far, POLLIN, 0});
      }
    }
    bool waiting = false;
    if (link_ == Link::up) {
      const auto pass_on = [&](std::deque<Late>& late, int to) {
        while (!late.empty() && late.front().due <= Clock::now()) {
          const std::string& data = late.front().data;
          send_all(to, data.data(), static_cast<ssize_t>(data.size()));
          late.pop_front();
        }
        waiting = waiting || !late.empty();
      };
      for (Pair& p : pairs) {
        pass_on(p.to_near, p.near);
        pass_on(p.to_far, p.far);
      }
    }
    const int moment_ms = waiting ? 1 : 10;
    if (::poll(watched.data(), watched.size(), moment_ms) <= 0) continue;
    for (std::size_t i = 1; i < watched.size(); ++i) {
      if (watched[i].revents == 0) continue;
      Pair& p = pairs[(i - 1) / 2];
      const int from = watched[i].fd;
      const ssize_t n = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n > 0) {
        if (damage_.exchange(false)) buffer[static_cast<std::size_t>(n / 2)] ^= 0x10;
        double delay = delay_s_;
        if (drawn_) {
          if (!random) random.emplace({seed_.load()});
          delay *= random->uniform();
        }
        auto due = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(delay));
        std::deque<Late>& late = from == p.near ? p.to_far : p.to_near;
        if (!late.empty()) due = std::max(due, late.back().due);
        late.push_back({due, std::string(buffer.data(), static_cast<std::size_t>(n))});
        (from == p.near ? to_target_ : from_target_) += n;
        continue;
      }
      end(p);
      pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>((i - 1) / 2));
      break;  // the list has changed
    }
    if ((watched[0].revents & POLLIN) == 0) continue;
    const int near = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int far = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(target_);
    if (link_ == Link::cut ||
        ::connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      end({near, far});
    } else {
      pairs.push_back({near, far});
    }
  }
  std::for_each(pairs.begin(), pairs.end(), end);
}

}  // namespace convoy::test
