#pragma once

// A TCP relay on loopback that stands in for a link that breaks.

#include <atomic>
#include <cstdint>
#include <thread>

namespace convoy::test {

class Proxy {
 public:
  enum class Link {
    up,
    stalled,  // connections stay open and nothing passes: half-open
    cut,      // connections are closed, and new ones at once
  };

  // Relays what connects to port() on to `target`, also on 127.0.0.1.
  explicit Proxy(int target);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  [[nodiscard]] int port() const { return port_; }
  void set(Link link) { link_ = link; }
  // What comes is passed on so much later, each way; or by a delay up to that which is drawn anew
  // for whatever comes together, and never before what came before it.
  void delay(double seconds) {
    drawn_ = false;
    delay_s_ = seconds;
  }
  void delay_at_random(double longest_s, std::uint64_t seed) {
    delay_s_ = longest_s;
    seed_ = seed;
    drawn_ = true;
  }
  // Relayed so far.
  [[nodiscard]] long bytes_to_target() const { return to_target_; }
  [[nodiscard]] long bytes_from_target() const { return from_target_; }

 private:
  void relay(const std::stop_token& stop);

  int target_;
  int listener_;
  int port_;
  std::atomic<Link> link_ = Link::up;
  std::atomic<double> delay_s_ = 0;
  std::atomic<bool> drawn_ = false;
  std::atomic<std::uint64_t> seed_ = 0;
  std::atomic<long> to_target_ = 0;
  std::atomic<long> from_target_ = 0;
  std::jthread thread_;  // last
};

}  // namespace convoy::test
