#pragma once

// Progress on stderr: a bar on a terminal, else a line every few seconds.

#include <chrono>
#include <string>

#include "base/non_copyable.hpp"
#include "cli/time_left.hpp"
#include "sim/run/run.hpp"

namespace convoy::cli {

// "about 40 s on this machine (320 updates, 210 ms each by a measured step, 2 at a time)"
std::string estimate_text(const sim::WallEstimate& estimate);

class ProgressDisplay : base::NonCopyable {
 public:
  // `every_s`: s between lines if stderr is no terminal.
  ProgressDisplay(bool quiet, double every_s);
  ~ProgressDisplay();

  void show(const sim::Progress& progress);
  // Removes the bar.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  int calls_ = 0;
  std::chrono::duration<double> every_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_;
  TimeLeft time_left_;
};

}  // namespace convoy::cli
