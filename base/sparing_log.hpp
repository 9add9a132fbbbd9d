#pragma once

// Limits log lines that a peer can cause in any number. The first lines of a kind are logged at
// once; then one line per pause, with the number of lines suppressed since.
//
//   SparingLog log;
//   if (const auto line = log.tell("door", why, now)) spdlog::warn("{}", *line);
//   for (const std::string& line : log.overdue(now)) spdlog::warn("{}", line);   // now and then
//
// Not thread-safe. Use few kinds: each is stored.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace convoy::base {

class SparingLog {
 public:
  // `at_once`: lines of a kind before the limit applies; `pause_s`: seconds between lines after it.
  explicit SparingLog(int at_once = 5, double pause_s = 10)
      : at_once_(at_once), pause_s_(pause_s) {}

  // The line to log, or nothing if it is suppressed now. `now`: steady clock, seconds.
  [[nodiscard]] std::optional<std::string> tell(const std::string& kind, const std::string& line,
                                                double now);
  // For each kind with suppressed lines whose pause is over: its last line.
  [[nodiscard]] std::vector<std::string> overdue(double now);

 private:
  struct Kind {
    double since = 0;  // start of the pause
    int told = 0;      // lines logged since then
    std::uint64_t held_back = 0;
    std::string last;  // last suppressed line
  };
  static std::string release(Kind& kind, double now);

  int at_once_;
  double pause_s_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace convoy::base
