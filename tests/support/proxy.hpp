#pragma once

// A TCP relay on loopback that simulates a broken connection.

#include <atomic>
#include <cstdint>
#include <thread>

namespace convoy::test {

class Proxy {
 public:
  enum class Link {
    up,
    stalled,  // connections stay open, but nothing passes: half-open
    cut,      // existing and new connections are closed
  };

  // Relays connections to port() on to `target`, also on 127.0.0.1.
  explicit Proxy(int target);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  [[nodiscard]] int port() const { return port_; }
  void set(Link link) { link_ = link; }
  // Delays data in both directions by this time; or by a random delay up to it, drawn for each
  // piece. Data never overtakes earlier data.
  void delay(double seconds) {
    drawn_ = false;
    delay_s_ = seconds;
  }
  void delay_at_random(double longest_s, std::uint64_t seed) {
    delay_s_ = longest_s;
    seed_ = seed;
    drawn_ = true;
  }
  // Flips a bit in the middle of what comes next, in whatever direction.
  void damage() { damage_ = true; }
  // Bytes relayed so far.
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
  std::atomic<bool> damage_ = false;
  std::atomic<std::uint64_t> seed_ = 0;
  std::atomic<long> to_target_ = 0;
  std::atomic<long> from_target_ = 0;
  std::jthread thread_;  // last, so that it is joined first
};

}  // namespace convoy::test
