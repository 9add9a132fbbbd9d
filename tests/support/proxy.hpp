#pragma once

// A TCP relay on loopback that stands in for a link that breaks.

#include <atomic>
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
  // What comes is passed on so much later, each way.
  void delay(double seconds) { delay_s_ = seconds; }
  [[nodiscard]] long bytes() const { return bytes_; }  // relayed so far

 private:
  void relay(const std::stop_token& stop);

  int target_;
  int listener_;
  int port_;
  std::atomic<Link> link_ = Link::up;
  std::atomic<double> delay_s_ = 0;
  std::atomic<long> bytes_ = 0;
  std::jthread thread_;  // last
};

}  // namespace convoy::test
