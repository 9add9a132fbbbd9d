#pragma once

// Runs the program tegrastats for quantities that sysfs does not give.
//
//   std::string problem;
//   auto tegrastats = TegrastatsProcess::start("tegrastats", std::chrono::seconds(1), problem);
//   if (!tegrastats) fmt::print("{}\n", problem);
//   else if (auto line = tegrastats->last()) use(line->power_w());

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/non_copyable.hpp"
#include "sensors/tegrastats.hpp"

namespace convoy::sensors {

class TegrastatsProcess : base::NonCopyable {
 private:
  class Impl;

 public:
  // Starts `program` (searched on the PATH unless its name has a '/') with "--interval" and the
  // interval in ms. On failure gives no object and sets `problem` ("no tegrastats on the PATH"). It
  // runs as the agent's user; on some releases only root gets all fields.
  [[nodiscard]] static std::unique_ptr<TegrastatsProcess> start(const std::string& program,
                                                                std::chrono::milliseconds interval,
                                                                std::string& problem);
  // Ends the program and waits for it: SIGTERM, then SIGKILL after half a second.
  ~TegrastatsProcess();

  // The newest parsed line. None before the first, and none if the newest is older than three
  // intervals plus one second, so that a hanging program does not repeat its last values. This and
  // the functions below may be called from any thread.
  [[nodiscard]] std::optional<TegrastatsLine> last() const;

  // Why no more lines come ("tegrastats ended with status 1"); "" while it runs.
  [[nodiscard]] std::string problem() const;

  // The program's process id, valid until the destructor, which waits for the process: the id is
  // not reused before.
  [[nodiscard]] pid_t pid() const;

  explicit TegrastatsProcess(std::unique_ptr<Impl> impl);  // for start()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::sensors
