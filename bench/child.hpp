#pragma once

// Measures in child processes: SimGrid allows one simulation per process, and peak memory never
// falls within a process.

#include <sys/types.h>

#include <functional>
#include <string>

namespace convoy::bench {

struct Measured {
  double seconds = 0;   // result of the function, or wall time of the command
  double peak_mib = 0;  // resident set of the child, peak
  double cpu_s = 0;     // of the child, all threads
};

// Runs a function, which returns seconds, in a forked child.
Measured in_child(const std::function<double()>& work);

// Runs a shell command and measures its wall time. Throws if it fails.
Measured command(const std::string& line);

// A background child process, ended by its id with the object.
class Beside {
 public:
  // `core`: the only core it may use. The shell runs `command`.
  Beside(const std::string& command, int core);
  Beside(const std::function<void()>& work, int core);
  ~Beside();
  Beside(Beside&& other) noexcept;
  Beside& operator=(Beside&&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace convoy::bench
