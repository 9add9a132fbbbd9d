#pragma once

// A process that runs points of a sweep, one after another, each in a child of its own: SimGrid has
// one simulation a process. It is forked once, early, with everything loaded that the points need:
// before any thread is started and before MPI_Init, after which a process may not fork.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace convoy::sim {

// How a point's process ended.
struct PointEnd {
  std::int64_t point = -1;
  int status = 0;  // its exit status; 128 + N: ended by signal N
};

class PointWorker {
 public:
  // `run`: called in a child; gives its exit status. Throws std::system_error where it cannot fork.
  explicit PointWorker(const std::function<int(std::int64_t point)>& run);
  // Ends the process, and with it a point that is under way.
  ~PointWorker();
  PointWorker(PointWorker&& other) noexcept;
  PointWorker& operator=(PointWorker&&) = delete;
  PointWorker(const PointWorker&) = delete;
  PointWorker& operator=(const PointWorker&) = delete;

  [[nodiscard]] bool busy() const { return busy_; }
  // The process is gone: nothing more can be begun.
  [[nodiscard]] bool dead() const { return dead_; }
  void begin(std::int64_t point);  // not while busy
  // Waits for the end. Where the worker itself is gone, the point ended by SIGKILL.
  PointEnd end();
  // Asks the point under way to stop in good order (SIGTERM). Once is not enough: a process that is
  // only just forked may miss it.
  void interrupt() const;

  // Waits until a point of these workers has ended, at most so long (and that long where none is
  // busy); gives all that have.
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
