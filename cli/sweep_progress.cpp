#include "cli/sweep_progress.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "base/text.hpp"

namespace convoy::cli {

static_assert(std::atomic<double>::is_always_lock_free, "processes share them");

PointShares::PointShares(std::size_t points) {
  const std::size_t size = std::max<std::size_t>(points, 1) * sizeof(std::atomic<double>);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "shared memory for the progress");
  }
  shares_ = {static_cast<std::atomic<double>*>(memory), std::max<std::size_t>(points, 1)};
  std::uninitialized_value_construct(shares_.begin(), shares_.end());
}

PointShares::~PointShares() { ::munmap(shares_.data(), shares_.size_bytes()); }

void PointShares::set(std::size_t point, double share) const {
  shares_[point].store(share, std::memory_order_relaxed);
}

double PointShares::get(std::size_t point) const {
  return shares_[point].load(std::memory_order_relaxed);
}

SweepProgress::SweepProgress(std::size_t all, std::size_t finished, bool quiet,
                             const PointShares& shares)
    : all_(all),
      before_(finished),
      finished_(finished),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) != 0),
      shares_(shares) {}

void SweepProgress::began(std::size_t point) { running_.insert(point); }

void SweepProgress::ended(std::size_t point, End end) {
  running_.erase(point);
  switch (end) {
    case End::done:
      ++finished_;
      break;
    case End::failed:
      ++failed_;
      break;
    case End::stopped:  // it runs again next time
      ++stopped_;
      break;
  }
}

double SweepProgress::running_share() const {
  double sum = 0;
  for (const std::size_t point : running_) sum += shares_.get(point);
  return sum;
}

std::optional<double> SweepProgress::left_s(double wall_s) {
  if (running_.empty()) return std::nullopt;
  const double over = static_cast<double>(finished_ + failed_) + running_share();
  const auto all = static_cast<double>(std::max<std::size_t>(all_, 1));
  return time_left_(over / all, static_cast<double>(before_) / all, wall_s);
}

analysis::SweepStatus SweepProgress::status() {
  analysis::SweepStatus status;
  status.points = all_;
  status.done = finished_;
  status.failed = failed_;
  status.stopped = stopped_;
  for (const std::size_t point : running_) status.running.push_back({point, shares_.get(point)});
  status.wall_time_s = wall_s();
  status.left_s = left_s(status.wall_time_s);
  return status;
}

double SweepProgress::wall_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
}

void SweepProgress::show(bool last) {
  const auto now = std::chrono::steady_clock::now();
  const auto every = std::chrono::milliseconds(terminal_ ? 100 : 5000);
  if (quiet_ || (!last && now < next_)) return;
  next_ = now + every;
  std::string line = fmt::format("sweep: {} of {} points are done", finished_, all_);
  if (failed_ > 0) line += fmt::format(", {} failed", failed_);
  if (stopped_ > 0)
    line += fmt::format(", {} {} stopped", stopped_, stopped_ == 1 ? "was" : "were");
  if (!running_.empty()) {
    line += fmt::format(", {} running ({:.0f} % of {})", running_.size(),
                        100 * running_share() / static_cast<double>(running_.size()),
                        running_.size() == 1 ? "it" : "them");
  }
  if (const auto left = left_s(wall_s())) {
    line += fmt::format(", about {} left", about_seconds(*left));
  }
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "convoy: {}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace convoy::cli
