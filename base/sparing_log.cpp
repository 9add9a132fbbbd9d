#include "base/sparing_log.hpp"

#include <fmt/format.h>

#include <utility>

namespace convoy::base {

std::string SparingLog::release(Kind& kind, double now) {
  const std::uint64_t others = kind.held_back - 1;
  std::string line = std::move(kind.last);
  if (others > 0) {
    line += fmt::format(" (and {} more like it in the last {:.0f} s)", others, now - kind.since);
  }
  kind = {now, 1, 0, ""};
  return line;
}

std::optional<std::string> SparingLog::tell(const std::string& kind, const std::string& line,
                                            double now) {
  const auto [found, is_new] = kinds_.try_emplace(kind, Kind{now, 0, 0, ""});
  Kind& k = found->second;
  const bool over = now - k.since >= pause_s_;
  if (over && k.held_back == 0) k = {now, 0, 0, ""};
  if (k.held_back == 0 && k.told < at_once_) {
    ++k.told;
    return line;
  }
  ++k.held_back;
  k.last = line;
  if (!over) return std::nullopt;
  std::string told = release(k, now);
  k.told = at_once_;  // the flood goes on: one line per pause
  return told;
}

std::vector<std::string> SparingLog::overdue(double now) {
  std::vector<std::string> lines;
  for (auto& [name, kind] : kinds_) {
    if (kind.held_back == 0 || now - kind.since < pause_s_) continue;
    lines.push_back(release(kind, now));
    kind.told = at_once_;
  }
  return lines;
}

}  // namespace convoy::base
