#pragma once

// Measurements in processes of their own: SimGrid has one simulation a process, and a process's
// peak memory only grows.

#include <sys/types.h>

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

// A child that runs beside the measurement; ended with the object, by its own id.
class Beside {
 public:
  // `core`: the only one that it may run on. A command is given to the shell.
  Beside(const std::string& command, int core);
  Beside(const std::function<void()>& work, int core);
  ~Beside();
  Beside(Beside&& other) noexcept;
  Beside& operator=(Beside&&) = delete;
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace convoy::bench
