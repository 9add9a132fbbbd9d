#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.hpp"

namespace convoy::cli {

std::string estimate_text(const sim::WallEstimate& estimate) {
  const std::string each =
      fmt::format("{} each by a measured step", base::human_seconds(estimate.update_s));
  const std::string together = fmt::format(", {} at a time", estimate.workers);
  if (!estimate.run_s) return "on this machine node updates take " + each + together;
  std::string text =
      fmt::format("about {} on this machine ({} node updates, {}", about_seconds(*estimate.run_s),
                  base::human_count(static_cast<double>(*estimate.updates)), each);
  if (estimate.evaluations > 0) {
    text += fmt::format("; {} evaluations, {} each", estimate.evaluations,
                        base::human_seconds(estimate.evaluation_s));
  }
  return text + together + ")";
}

ProgressDisplay::ProgressDisplay(bool quiet, double every_s)
    : quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) != 0),
      every_(terminal_ ? 0.1 : every_s),
      next_(start_ + std::chrono::duration_cast<Clock::duration>(every_)) {}

ProgressDisplay::~ProgressDisplay() { clear(); }

void ProgressDisplay::show(const sim::Progress& progress) {
  constexpr int calls_between_looks = 64;  // reading the clock costs as much as an event
  // Learning runs check every event, since their events take long anyway.
  const bool seldom = !progress.accuracy && !progress.training;
  if (quiet_ || (++calls_ % calls_between_looks != 0 && seldom)) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::duration_cast<Clock::duration>(every_);
  const double wall = std::chrono::duration<double>(now - start_).count();
  std::string text = fmt::format(
      "{:3.0f} %  virtual {}  {} aggregations  {} tasks{}  {:.0f} s", 100 * progress.share,
      base::human_seconds(progress.virtual_time_s), progress.rounds, progress.tasks,
      progress.accuracy ? fmt::format("  accuracy {:.1f} %", 100 * *progress.accuracy) : "", wall);
  if (const auto left = time_left_(progress.share, progress.share_before, wall)) {
    text += fmt::format(", about {} left", about_seconds(*left));
  }
  if (terminal_) {
    constexpr int width = 20;
    const int full = static_cast<int>(progress.share * width);
    fmt::print(stderr, "\r\x1b[K[{}{}] {}", std::string(static_cast<std::size_t>(full), '#'),
               std::string(static_cast<std::size_t>(width - full), '.'), text);
    std::fflush(stderr);
    drawn_ = true;
  } else {
    fmt::print(stderr, "convoy: {}\n", text);
  }
}

void ProgressDisplay::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace convoy::cli
