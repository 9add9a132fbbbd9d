#pragma once

// Log lines that somebody else can cause as often as he likes: the first of a kind are told at
// once, then one every while, with how many others like it came meanwhile.
//
//   SparingLog log;
//   if (const auto line = log.tell("door", why, now)) spdlog::warn("{}", *line);
//   for (const std::string& line : log.overdue(now)) spdlog::warn("{}", line);   // now and then
//
// Not for several threads. Keep the kinds few: each is remembered.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace convoy::base {

class SparingLog {
 public:
  // So many of a kind at once, and after them one every so many seconds.
  explicit SparingLog(int at_once = 5, double pause_s = 10)
      : at_once_(at_once), pause_s_(pause_s) {}

  // The line as it is to be written, or nothing: not now. `now`: seconds of a steady clock.
  [[nodiscard]] std::optional<std::string> tell(const std::string& kind, const std::string& line,
                                                double now);
  // The last line of each kind of which some were held back, when it is time to say so.
  [[nodiscard]] std::vector<std::string> overdue(double now);

 private:
  struct Kind {
    double since = 0;  // when the pause began
    int told = 0;      // since then
    std::uint64_t held_back = 0;
    std::string last;  // of those
  };
  static std::string release(Kind& kind, double now);

  int at_once_;
  double pause_s_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace convoy::base
