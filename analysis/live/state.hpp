#pragma once

// Data shared by a run and the server that shows it, each in its own thread.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

// The state of a run at one moment.
struct LiveStatus {
  double virtual_time_s = 0;
  double wall_time_s = 0;        // since the start, pauses included
  std::optional<double> lag_ms;  // of real nodes: greatest so far
  double share = 0;              // of the way to its end, 0 to 1
  std::int64_t rounds = 0;
  std::int64_t tasks = 0;
  std::int64_t tasks_failed = 0;
  std::optional<double> accuracy;
  bool at_rest = false;  // the run is paused: nothing has happened since
  struct Node {
    std::int64_t node = 0;
    std::string label;   // of the present activity; empty: the node is absent
    double since_s = 0;  // virtual
    bool away = false;
  };
  std::vector<Node> nodes;  // nodes that are busy or absent
};

class LiveState {
 public:
  // --- the run's side ---------------------------------------------------------------------------

  // True if the server wants a status: at most a few times a second, and only with viewers. Cheap.
  [[nodiscard]] bool wants_status() const { return wanted_.load(std::memory_order_relaxed); }
  void put(LiveStatus status);
  // Returns when the run is not paused (any more); `interrupted` ends the wait, too. The caller
  // puts a status with at_rest before the call, and one without it after.
  void wait_while_paused(const std::atomic<bool>& interrupted);

  // --- the server's side ------------------------------------------------------------------------

  void ask_for_status() { wanted_ = true; }
  [[nodiscard]] LiveStatus status() const;
  // True once the run has begun and its store can be read.
  [[nodiscard]] bool has_begun() const { return begun_.load(); }
  void set_paused(bool paused);
  [[nodiscard]] bool is_paused() const { return paused_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> wanted_ = true;
  std::atomic<bool> begun_ = false;
  std::atomic<bool> paused_ = false;
  mutable std::mutex mutex_;
  std::condition_variable resumed_;
  LiveStatus status_;
};

}  // namespace convoy::analysis
