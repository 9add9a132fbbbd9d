#include "platforms/traces/stamps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>

#include "base/text.hpp"

namespace convoy::platforms {
namespace {

constexpr double day_s = 86400;
constexpr double year_s = 366 * day_s;  // the longest

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes a number of digits off the front; `fraction`: with a part behind '.' or ','.
std::optional<double> take_number(std::string_view& text, std::size_t most, bool fraction) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  if (end == 0 || end > most) return std::nullopt;
  double value = base::parse_number(text.substr(0, end));
  text.remove_prefix(end);
  if (!fraction || text.size() < 2 || (text[0] != '.' && text[0] != ',') || !is_digit(text[1])) {
    return value;
  }
  double scale = 1;
  for (text.remove_prefix(1); !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    scale /= 10;
    value += scale * (text.front() - '0');
  }
  return value;
}

bool take_one_of(std::string_view& text, std::string_view characters) {
  if (text.empty() || characters.find(text.front()) == characters.npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<double> days_of(double year, double month, double day) {
  if (month > 12 || day > 31) return std::nullopt;
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(static_cast<int>(year)),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return static_cast<double>(sys_days(date).time_since_epoch().count());
}

// "20:05:55.25": seconds of the day.
std::optional<double> take_time(std::string_view& text) {
  std::string_view rest = text;
  constexpr std::string_view between = "-./_: ";
  const auto hour = take_number(rest, 4, false);
  if (!hour || !take_one_of(rest, between)) return std::nullopt;
  const auto minute = take_number(rest, 4, false);
  if (!minute || !take_one_of(rest, between)) return std::nullopt;
  const auto second = take_number(rest, 4, true);
  if (!second || *hour > 23 || *minute > 59 || *second >= 61) return std::nullopt;
  text = rest;
  return (*hour * 60 + *minute) * 60 + *second;
}

// "Z", "+0200", "-05:30": passed over. Between the rows of one log only differences count.
void take_zone(std::string_view& text) {
  if (take_one_of(text, "Zz")) return;
  std::string_view rest = text;
  if (!take_one_of(rest, "+-")) return;
  std::size_t digits = 0;
  while (!rest.empty() && (is_digit(rest.front()) || rest.front() == ':')) {
    digits += is_digit(rest.front()) ? 1 : 0;
    rest.remove_prefix(1);
  }
  if (digits == 2 || digits == 4) text = rest;
}

// Year first or month first, then the time.
std::optional<double> take_date(std::string_view& text) {
  constexpr std::string_view between = "-./_: T";
  constexpr double first_year = 1900;
  std::string_view rest = text;
  std::array<double, 3> part{};
  for (double& p : part) {
    const auto number = take_number(rest, 4, false);
    if (!number || !take_one_of(rest, between)) return std::nullopt;
    p = *number;
  }
  if (part[2] >= first_year) part = {part[2], part[0], part[1]};
  const auto days = days_of(part[0], part[1], part[2]);
  const auto time = days ? take_time(rest) : std::nullopt;
  if (!time) return std::nullopt;
  take_zone(rest);
  text = rest;
  return *days * day_s + *time;
}

// Behind a stamp comes something else.
bool ends_there(std::string_view rest) {
  constexpr std::string_view ends = " \t]):|,;>\"'";
  return rest.empty() || ends.find(rest.front()) != ends.npos;
}

// "Wed Oct  1 20:05:10 2025", "Oct 01 20:05:10.5"
std::optional<Stamp> take_month_first(std::string_view text) {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::array<std::string_view, 7> days = {"Mon", "Tue", "Wed", "Thu",
                                                    "Fri", "Sat", "Sun"};
  const auto word = [&](const auto& names) -> std::size_t {
    const auto found = std::find(names.begin(), names.end(), text.substr(0, 3));
    if (found == names.end() || text.size() < 4) return names.size();
    std::string_view rest = text.substr(3);
    take_one_of(rest, ",");
    if (!take_one_of(rest, " ")) return names.size();
    text = rest;
    return static_cast<std::size_t>(found - names.begin());
  };
  word(days);
  const std::size_t month = word(months);
  if (month == months.size()) return std::nullopt;
  while (take_one_of(text, " ")) continue;
  const auto day = take_number(text, 2, false);
  if (!day || !take_one_of(text, " ")) return std::nullopt;
  std::optional<double> year;
  std::string_view with_year = text;
  if (const auto y = take_number(with_year, 4, false);
      y && *y >= 1900 && take_one_of(with_year, " ")) {
    year = y;
    text = with_year;
  }
  const auto time = take_time(text);
  if (!time || !ends_there(text)) return std::nullopt;
  if (!year && text.size() >= 5 && text.front() == ' ') {
    std::string_view behind = text.substr(1);
    const auto y = take_number(behind, 4, false);
    if (y && *y >= 1900 && ends_there(behind)) year = y;
  }
  constexpr double leap_year = 2000;  // it has every day that there may be
  const auto count = days_of(year.value_or(leap_year), static_cast<double>(month + 1), *day);
  if (!count) return std::nullopt;
  return Stamp{*count * day_s + *time, year ? Stamp::Kind::date : Stamp::Kind::yearless};
}

}  // namespace

std::optional<double> parse_stamp(std::string_view text) {
  const auto moment = take_date(text);
  return text.empty() ? moment : std::nullopt;
}

std::optional<Stamp> leading_stamp(std::string_view line) {
  while (take_one_of(line, " \t[(\"'<")) continue;
  std::string_view rest = line;
  if (const auto date = take_date(rest); date && ends_there(rest)) {
    return Stamp{*date, Stamp::Kind::date};
  }
  if (const auto stamp = take_month_first(line)) return stamp;
  rest = line;
  if (const auto time = take_time(rest); time && ends_there(rest)) {
    return Stamp{*time, Stamp::Kind::of_day};
  }
  rest = line;
  constexpr std::size_t most_digits = 19;
  constexpr double surely_milliseconds = 1e11;  // as seconds: the year 5138
  const auto number = take_number(rest, most_digits, true);
  if (!number || !ends_there(rest) || rest.empty()) return std::nullopt;
  double seconds = *number;
  while (seconds >= surely_milliseconds) seconds /= 1000;  // or micro- or nanoseconds
  return Stamp{seconds, Stamp::Kind::counter};
}

double RunningClock::next(const Stamp& stamp, std::int64_t line) {
  double now = stamp.seconds + wraps_;
  if (!last_) {
    last_ = now;
    return now;
  }
  // Midnight, New Year.
  const double round = stamp.kind == Stamp::Kind::of_day     ? day_s
                       : stamp.kind == Stamp::Kind::yearless ? year_s
                                                             : 0;
  if (round > 0 && now < *last_ - round / 2) {
    wraps_ += round;
    now += round;
  }
  const double by = now - *last_;
  if (by < 0 || by > year_s) {
    shift_ += step_ - by;
    if (sets_++ == 0) {
      first_line_ = line;
      first_by_ = by;
    }
  } else if (by > 0) {
    step_ = by;
  }
  last_ = now;
  return now + shift_;
}

std::string RunningClock::remark() const {
  if (sets_ == 0) return "";
  return fmt::format(
      "its clock was set {}: at line {} it goes {} by {}; what lies between such rows is not "
      "known, "
      "and they are taken as one step apart",
      sets_ == 1 ? "once" : fmt::format("{} times", sets_), first_line_,
      first_by_ < 0 ? "back" : "forward", base::human_seconds(std::abs(first_by_)));
}

std::vector<double> spread(const std::vector<double>& moments, double last_interval_s) {
  struct Group {
    std::size_t begin;
    std::size_t end;
    [[nodiscard]] std::size_t size() const { return end - begin; }
  };
  std::vector<Group> groups;
  for (std::size_t i = 0; i < moments.size();) {
    std::size_t end = i;
    while (end < moments.size() && moments[end] == moments[i]) ++end;
    groups.push_back({i, end});
    i = end;
  }
  // How many rows a moment has when it is whole.
  std::size_t usual = 1;
  if (groups.size() > 2) {
    std::vector<std::size_t> sizes;
    for (std::size_t g = 1; g + 1 < groups.size(); ++g) sizes.push_back(groups[g].size());
    std::nth_element(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2),
                     sizes.end());
    usual = sizes[sizes.size() / 2];
  }
  std::vector<double> out = moments;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const bool last = g + 1 == groups.size();
    const double begin = moments[group.begin];
    // Through a gap they are not stretched.
    const double room =
        last ? last_interval_s : std::min(moments[groups[g + 1].begin] - begin, last_interval_s);
    const bool cut = (g == 0 || last) && group.size() < usual;
    const std::size_t count = cut ? usual : group.size();
    const std::size_t missing = cut && !last ? usual - group.size() : 0;  // before its first row
    for (std::size_t k = group.begin; k < group.end; ++k) {
      out[k] = begin +
               room * static_cast<double>(missing + k - group.begin) / static_cast<double>(count);
    }
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
