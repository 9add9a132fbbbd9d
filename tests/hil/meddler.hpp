#pragma once

// A relay on loopback between an agent and the coordinator that reads their messages and changes
// some: well-formed frames with right hashes, which say something else than was said.

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "base/random.hpp"

namespace convoy::test {

class Meddler {
 public:
  enum class Way { to_coordinator, to_agent };

  // Relays connections to port() on to `target`, also on 127.0.0.1. Changes a `share` of the
  // messages about tasks, and of the chunks, that go this way: leaves one out, says it twice or
  // after the next, or changes a field or a payload.
  Meddler(int target, Way way, double share, std::uint64_t seed);
  ~Meddler();
  Meddler(const Meddler&) = delete;
  Meddler& operator=(const Meddler&) = delete;

  [[nodiscard]] int port() const { return port_; }
  // From now on it changes nothing.
  void rest() { rests_ = true; }
  [[nodiscard]] long changed() const { return changed_; }

 private:
  using Bytes = std::vector<std::byte>;
  struct Frame {
    Bytes message;
    Bytes payload;
  };
  void accept(const std::stop_token& stop);
  void pump(int from, int to, bool meddles);
  bool is_of_a_task(const Bytes& message) const;
  // What is sent instead; `late`: is to go behind the next frame.
  std::vector<Frame> meddled(Frame frame, std::vector<Frame>& late);
  void change(Bytes& message);

  int target_;
  Way way_;
  double share_;
  int listener_;
  int port_;
  std::atomic<bool> rests_ = false;
  std::atomic<long> changed_ = 0;
  std::mutex mutex_;  // of the following
  base::Random random_;
  std::vector<int> sockets_;
  std::list<std::jthread> pumps_;
  std::jthread accepts_;  // last, so that it is joined first
};

}  // namespace convoy::test
