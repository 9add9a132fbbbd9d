#pragma once

// How far a run has come towards the goals of [stop].

#include <cstdint>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

class Goals {
 public:
  explicit Goals(const StopOptions& stop) : stop_(stop) {}

  // A node's update has ended successfully.
  void update_done() { ++tasks_done_; }
  // A version was published that contains so many updates.
  void published(std::int64_t updates);

  [[nodiscard]] std::int64_t version() const { return version_; }  // last one published
  [[nodiscard]] std::int64_t tasks_done() const { return tasks_done_; }
  // The goal in rounds or tasks. (Timers check the time, evaluations the accuracy.)
  [[nodiscard]] bool are_reached() const;
  // Progress towards the nearest goal in rounds, tasks or time, 0 to 1.
  [[nodiscard]] double share(double virtual_time_s) const;
  // The same, in rounds and tasks, for when the present round and so many tasks under way have
  // ended.
  [[nodiscard]] double share_with(std::size_t under_way) const;

 private:
  const StopOptions& stop_;
  std::int64_t version_ = 0;
  std::int64_t tasks_done_ = 0;
  std::int64_t updates_ = 0;  // aggregated so far
};

}  // namespace convoy::sim
