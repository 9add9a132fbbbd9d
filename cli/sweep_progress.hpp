#pragma once

// Progress of a sweep, on stderr and for the live view: finished points, what the running ones have
// done, the time left.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <span>

#include "analysis/live/shown_sweep.hpp"
#include "base/non_copyable.hpp"
#include "cli/time_left.hpp"

namespace convoy::cli {

// How far each point of a sweep is, 0 to 1: written by the processes of the points, which are
// forked from this one, and read here. Points of other ranks of MPI stay at 0 until they end.
class PointShares : base::NonCopyable {
 public:
  // Throws std::system_error if there is no memory.
  explicit PointShares(std::size_t points);
  ~PointShares();

  void set(std::size_t point, double share) const;
  [[nodiscard]] double get(std::size_t point) const;

 private:
  std::span<std::atomic<double>> shares_;
};

class SweepProgress {
 public:
  // Of `all` points, `finished` are done already.
  SweepProgress(std::size_t all, std::size_t finished, bool quiet, const PointShares& shares);

  enum class End { done, failed, stopped };
  void began(std::size_t point);
  void ended(std::size_t point, End end);
  // Prints if it is time to; always if this is the last line.
  void show(bool last = false);
  [[nodiscard]] analysis::SweepStatus status();

 private:
  std::optional<double> left_s(double wall_s);
  [[nodiscard]] double running_share() const;  // sum over the points under way
  [[nodiscard]] double wall_s() const;

  std::size_t all_;
  std::size_t before_;  // finished at the begin
  std::size_t finished_;
  std::size_t failed_ = 0;
  std::size_t stopped_ = 0;
  std::set<std::size_t> running_;
  bool quiet_;
  bool terminal_;
  const PointShares& shares_;
  TimeLeft time_left_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_;
};

}  // namespace convoy::cli
