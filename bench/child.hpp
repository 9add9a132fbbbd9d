#pragma once

// Measurements in processes of their own: SimGrid has one simulation a process, and a process's
// peak memory only grows.

#include <functional>
#include <string>

namespace convoy::bench {

struct Measured {
  double seconds = 0;   // what the function gave, or the whole command's wall time
  double peak_mib = 0;  // resident set of the child
};

// Runs a function in a forked child; it returns seconds.
Measured in_child(const std::function<double()>& work);

// Runs a command by the shell and measures it from start to end. Throws where it fails.
Measured command(const std::string& line);

}  // namespace convoy::bench
