#include "platforms/traces/stamps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace convoy::platforms {

std::optional<double> parse_stamp(std::string_view text) {
  // Six numbers with something between them; a dot before the last part of the seconds is kept.
  std::array<double, 6> part{};
  constexpr std::string_view digits = "0123456789";
  std::size_t at = 0;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const std::size_t from = at;
    while (at < text.size() && digits.find(text[at]) != digits.npos) ++at;
    if (at == from || at - from > 4) return std::nullopt;
    if (i == 5 && at < text.size() && text[at] == '.') {
      ++at;
      while (at < text.size() && digits.find(text[at]) != digits.npos) ++at;
    }
    part.at(i) = base::parse_number(text.substr(from, at - from));
    if (std::isnan(part.at(i))) return std::nullopt;
    if (i == 5) break;
    constexpr std::string_view between = "-./_: T";
    if (at >= text.size() || between.find(text[at]) == between.npos) return std::nullopt;
    ++at;
  }
  if (at != text.size()) return std::nullopt;
  constexpr double first_year = 1900;
  if (part[2] >= first_year) part = {part[2], part[0], part[1], part[3], part[4], part[5]};
  if (part[1] > 12 || part[2] > 31) return std::nullopt;
  using namespace std::chrono;
  const year_month_day date{year(static_cast<int>(part[0])), month(static_cast<unsigned>(part[1])),
                            day(static_cast<unsigned>(part[2]))};
  if (!date.ok() || part[3] > 23 || part[4] > 59 || part[5] >= 61) return std::nullopt;
  const double days = static_cast<double>(sys_days(date).time_since_epoch().count());
  return ((days * 24 + part[3]) * 60 + part[4]) * 60 + part[5];
}

std::vector<double> spread(const std::vector<double>& moments, double last_interval_s) {
  std::vector<double> out = moments;
  for (std::size_t i = 0; i < moments.size();) {
    std::size_t end = i;
    while (end < moments.size() && moments[end] == moments[i]) ++end;
    // Through a gap they are not stretched.
    const double room = end < moments.size() ? std::min(moments[end] - moments[i], last_interval_s)
                                             : last_interval_s;
    const auto count = static_cast<double>(end - i);
    for (std::size_t k = i; k < end; ++k) {
      out[k] = moments[i] + room * static_cast<double>(k - i) / count;
    }
    i = end;
  }
  return out;
}

std::string gaps_in(const std::vector<double>& moments) {
  if (moments.size() < 3) return "";
  std::vector<double> steps;
  for (std::size_t i = 1; i < moments.size(); ++i) steps.push_back(moments[i] - moments[i - 1]);
  std::sort(steps.begin(), steps.end());
  const double middle = steps[steps.size() / 2];
  const auto longer = steps.end() - std::upper_bound(steps.begin(), steps.end(), 3 * middle + 1e-9);
  if (longer == 0) return "";
  return fmt::format(
      "{} gap(s), the longest {:.1f} s, where rows come every {:.3g} s: the values "
      "before a gap hold through it",
      longer, steps.back(), middle);
}

}  // namespace convoy::platforms
