#pragma once

// A process that runs points of a sweep one after another, each in a child process, since SimGrid
// allows one simulation per process. It is forked early, with all libraries loaded, before any
// thread starts and before MPI_Init (no fork is allowed after).

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace convoy::sim {

// How the process of a point ended.
struct PointEnd {
  std::int64_t point = -1;
  int status = 0;  // exit status; 128 + N: ended by signal N
};

class PointWorker {
 public:
  // `run`: called in a child; gives its exit status. Throws std::system_error if fork fails.
  explicit PointWorker(const std::function<int(std::int64_t point)>& run);
  // Ends the process and a point under way.
  ~PointWorker();
  PointWorker(PointWorker&& other) noexcept;
  PointWorker& operator=(PointWorker&&) = delete;

  [[nodiscard]] bool busy() const { return busy_; }
  // The process has ended: no point can be started.
  [[nodiscard]] bool dead() const { return dead_; }
  void begin(std::int64_t point);  // not while busy
  // Waits for the point's end. If the worker itself has died, the point counts as ended by SIGKILL.
  PointEnd end();
  // Sends SIGTERM to the point under way, so that it stops in order. Repeat it: a process that has
  // just been forked may miss it.
  void interrupt() const;

  // Waits at most `longest_ms` until some points of these workers have ended (the full time if none
  // is busy); gives all ended points.
  friend std::vector<PointEnd> wait_for_ends(std::vector<PointWorker>& workers, int longest_ms);

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  bool busy_ = false;
  bool dead_ = false;
  std::int64_t point_ = -1;
};

std::vector<PointEnd> wait_for_ends(std::vector<PointWorker>& workers, int longest_ms);

}  // namespace convoy::sim
