#pragma once

// The program tegrastats, run beside the agent for what sysfs does not tell.
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

#include "sensors/tegrastats.hpp"

namespace convoy::sensors {

class TegrastatsProcess {
 private:
  class Impl;

 public:
  // Starts `program` (searched on the PATH where its name has no '/') with "--interval" and the
  // interval in milliseconds. Where it cannot be started: no object, and `problem` says why, as in
  // "no tegrastats on the PATH". It runs as the agent's user, who on some releases is shown fewer
  // fields than root is.
  [[nodiscard]] static std::unique_ptr<TegrastatsProcess> start(const std::string& program,
                                                                std::chrono::milliseconds interval,
                                                                std::string& problem);
  // Ends the program and waits for it: asks it to (SIGTERM), and kills it where it still runs after
  // half a second.
  ~TegrastatsProcess();
  TegrastatsProcess(const TegrastatsProcess&) = delete;
  TegrastatsProcess& operator=(const TegrastatsProcess&) = delete;

  // The newest line that could be read. None before the first, and none where the newest is older
  // than three intervals and a second: a program that hangs does not go on giving its last values.
  // This and what follows may be called from any thread.
  [[nodiscard]] std::optional<TegrastatsLine> last() const;

  // Why no lines come any more ("tegrastats ended with status 1"); "" while it runs.
  [[nodiscard]] std::string problem() const;

  // The program's, also after its end: it is waited for in the destructor, so that until then the
  // number is not given to another process.
  [[nodiscard]] pid_t pid() const;

  explicit TegrastatsProcess(std::unique_ptr<Impl> impl);  // for start()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::sensors
