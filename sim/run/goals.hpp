#pragma once

// How far a run has come on its way to what [stop] asks for.

#include <cstdint>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

class Goals {
 public:
  explicit Goals(const StopOptions& stop) : stop_(stop) {}

  // A node's update has come to its end.
  void update_done() { ++tasks_done_; }
  // The next version is there, with so many updates in it.
  void published(std::int64_t updates);

  [[nodiscard]] std::int64_t version() const { return version_; }  // the last one published
  [[nodiscard]] std::int64_t tasks_done() const { return tasks_done_; }
  // Of rounds or tasks. (A timer ends a run by its time, an evaluation by its accuracy.)
  [[nodiscard]] bool are_reached() const;
  // Of the way to the nearest of its ends, 0 to 1; accuracy apart, which cannot be told.
  [[nodiscard]] double share(double virtual_time_s) const;

 private:
  const StopOptions& stop_;
  std::int64_t version_ = 0;
  std::int64_t tasks_done_ = 0;
  std::int64_t updates_ = 0;  // aggregated
};

}  // namespace convoy::sim
