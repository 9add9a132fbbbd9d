#pragma once

// How long something still takes, from the share of it that is done.

#include <optional>
#include <string>

namespace convoy::cli {

// "40 s", "3m 05s": whole seconds.
std::string about_seconds(double seconds);

// The estimate counts down. It is lowered smoothly, and raised only where it proves to be wrong by
// more than a quarter: so it does not go up and down with every line of a display.
class TimeLeft {
 public:
  // `share`: done so far, 0 to 1; `before`: of that, what was done before (by a run that is
  // resumed). `wall_s`: since the begin. Gives the wall seconds that are left; nothing as long as
  // too little is done to tell.
  std::optional<double> operator()(double share, double before, double wall_s);

 private:
  std::optional<double> end_s_;  // wall time at which all will be done
};

}  // namespace convoy::cli
