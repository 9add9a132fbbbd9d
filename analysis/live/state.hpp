#pragma once

// What a run and the server that shows it have in common: two threads meet here.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

// A moment of a run.
struct LiveStatus {
  double virtual_time_s = 0;
  double wall_time_s = 0;        // since it began; time in which it was paused included
  std::optional<double> lag_ms;  // of real nodes, at most so far
  double share = 0;              // of the way to its end, 0 to 1
  std::int64_t rounds = 0;
  std::int64_t tasks = 0;
  std::int64_t tasks_failed = 0;
  std::optional<double> accuracy;
  bool at_rest = false;  // the run waits to be resumed: nothing has happened since
  struct Node {
    std::int64_t node = 0;
    std::string label;   // of the activity that it is busy with; empty: it is away
    double since_s = 0;  // virtual
    bool away = false;
  };
  std::vector<Node> nodes;  // those that do something, or are away
};

class LiveState {
 public:
  // --- the run's side ---------------------------------------------------------------------------

  // Whether the server would like to have a status: true a few times a second at most, and only
  // while somebody looks. Costs next to nothing.
  [[nodiscard]] bool wants_status() const { return wanted_.load(std::memory_order_relaxed); }
  void put(LiveStatus status);
  // Returns at once, or when the run shall go on; `interrupted` ends the wait as well. Before it is
  // called a status is put that is at rest, and after it one that is not.
  void wait_while_paused(const std::atomic<bool>& interrupted);

  // --- the server's side ------------------------------------------------------------------------

  void ask_for_status() { wanted_ = true; }
  [[nodiscard]] LiveStatus status() const;
  // There is a store to be read: the run has begun.
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
