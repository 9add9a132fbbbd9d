#include "platforms/traces/stamps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/median.hpp"
#include "base/text.hpp"

namespace convoy::platforms {
namespace {

constexpr double year_s = 366 * day_s;  // longest year

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes a number with at most `most` digits off the front; `fraction`: also a part after '.' or
// ','.
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

// True if no further character of a stamp follows.
bool ends_there(std::string_view rest) {
  constexpr std::string_view ends = " \t]):|,;>\"'";
  return rest.empty() || ends.find(rest.front()) != ends.npos;
}

// " PM", "am": converts an hour from 1 to 12 to 0 to 23; nothing for other hours.
std::optional<double> take_half_of_day(std::string_view& text, double hour) {
  std::string_view rest = text;
  take_one_of(rest, " ");
  const bool afternoon = !rest.empty() && (rest.front() == 'P' || rest.front() == 'p');
  if (!take_one_of(rest, "APap") || !take_one_of(rest, "Mm") || !ends_there(rest)) return hour;
  if (hour < 1 || hour > 12) return std::nullopt;
  text = rest;
  return (hour == 12 ? 0 : hour) + (afternoon ? 12 : 0);
}

// "20:05:55.25", "08:05:55 PM": seconds of the day.
std::optional<double> take_time(std::string_view& text, std::string_view between = "-./_: ") {
  std::string_view rest = text;
  const auto hour = take_number(rest, 2, false);
  if (!hour || !take_one_of(rest, between)) return std::nullopt;
  const auto minute = take_number(rest, 2, false);
  if (!minute || !take_one_of(rest, between)) return std::nullopt;
  const auto second = take_number(rest, 2, true);
  if (!second || *hour > 23 || *minute > 59 || *second >= 61) return std::nullopt;
  const auto of_24 = take_half_of_day(rest, *hour);
  if (!of_24) return std::nullopt;
  text = rest;
  return (*of_24 * 60 + *minute) * 60 + *second;
}

// "Z", "+0200", "-05:30", " +0000": offset from UTC in seconds; 0 if there is no zone.
double take_zone(std::string_view& text) {
  if (take_one_of(text, "Zz")) return 0;
  std::string_view rest = text;
  const bool apart = take_one_of(rest, " ");
  const bool behind = !rest.empty() && rest.front() == '-';
  if (!take_one_of(rest, "+-")) return 0;
  std::size_t digits = 0;
  double number = 0;
  for (; !rest.empty() && (is_digit(rest.front()) || rest.front() == ':'); rest.remove_prefix(1)) {
    if (!is_digit(rest.front())) continue;
    ++digits;
    number = 10 * number + (rest.front() - '0');
  }
  if ((digits != 4 && (digits != 2 || apart)) || !ends_there(rest)) return 0;
  text = rest;
  const double hours = digits == 2 ? number : std::floor(number / 100);
  const double minutes = digits == 2 ? 0 : std::fmod(number, 100);
  return (behind ? -60 : 60) * (60 * hours + minutes);
}

constexpr double first_year = 1900;
constexpr double last_year = 2200;

// Adds the time in `rest`, the text after the day.
std::optional<double> with_time(std::string_view& rest, double days) {
  const auto time = take_time(rest);
  if (!time) return std::nullopt;
  return days * day_s + *time - take_zone(rest);
}

// "10-01-2025 20:05:55", "2025-10-01T20:05:50Z": year first or last.
std::optional<double> take_date(std::string_view& text, DateOrder order) {
  constexpr std::string_view between = "-./_: T";
  std::string_view rest = text;
  std::array<double, 3> part{};
  for (double& p : part) {
    const auto number = take_number(rest, 4, false);
    if (!number || !take_one_of(rest, between)) return std::nullopt;
    p = *number;
  }
  if (part[2] >= first_year) {
    part = order == DateOrder::month_first ? std::array{part[2], part[0], part[1]}
                                           : std::array{part[2], part[1], part[0]};
  }
  if (part[0] < first_year) return std::nullopt;
  const auto days = days_of(part[0], part[1], part[2]);
  const auto moment = days ? with_time(rest, *days) : std::nullopt;
  if (moment) text = rest;
  return moment;
}

std::optional<double> digits_at(std::string_view text, std::size_t from, std::size_t count) {
  if (text.size() < from + count) return std::nullopt;
  double value = 0;
  for (const char c : text.substr(from, count)) {
    if (!is_digit(c)) return std::nullopt;
    value = 10 * value + (c - '0');
  }
  return value;
}

// "20251001T200550Z", "20251001 20:05:50.5", "20251001200550"
std::optional<double> take_compact(std::string_view& text) {
  const auto year = digits_at(text, 0, 4);
  const auto month = digits_at(text, 4, 2);
  const auto day = digits_at(text, 6, 2);
  if (!year || !month || !day || *year < first_year || *year > last_year) return std::nullopt;
  const auto days = days_of(*year, *month, *day);
  if (!days) return std::nullopt;
  std::string_view rest = text.substr(8);
  const bool apart = take_one_of(rest, "T_- ");
  const auto hour = digits_at(rest, 0, 2);
  const auto minute = digits_at(rest, 2, 2);
  if (!hour || !minute || !digits_at(rest, 4, 2)) {
    const auto moment = apart ? with_time(rest, *days) : std::nullopt;
    if (moment) text = rest;
    return moment;
  }
  rest.remove_prefix(4);
  const auto second = take_number(rest, 2, true);
  if (!second || *hour > 23 || *minute > 59 || *second >= 61) return std::nullopt;
  const double zone = take_zone(rest);
  text = rest;
  return *days * day_s + (*hour * 60 + *minute) * 60 + *second - zone;
}

// The number of a month, from 1, by its first three letters in English.
std::optional<double> take_month(std::string_view& text) {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto found = std::find(months.begin(), months.end(), text.substr(0, 3));
  if (found == months.end()) return std::nullopt;
  text.remove_prefix(3);
  return static_cast<double>(found - months.begin()) + 1;
}

// For stamps without a year: a leap year, which has every possible day.
constexpr double any_year = 2000;

// "Oct  1 20:05:10 2025", "Oct 01 20:05:10.5", "01 Oct 2025 08:05:50 PM", "01/Oct/2025:20:05:50"
std::optional<Stamp> take_worded(std::string_view& line) {
  constexpr std::string_view between = " -/";
  std::string_view text = line;
  std::optional<double> day;
  std::optional<double> month = take_month(text);
  const bool month_first = month.has_value();
  if (!month_first) {
    day = take_number(text, 2, false);
    if (!day || !take_one_of(text, between)) return std::nullopt;
    month = take_month(text);
    if (!month) return std::nullopt;
  }
  if (!take_one_of(text, between)) return std::nullopt;
  if (month_first) {
    while (take_one_of(text, " ")) continue;
    day = take_number(text, 2, false);
    take_one_of(text, ",");
    if (!day || !take_one_of(text, between)) return std::nullopt;
  }
  std::optional<double> year;
  std::string_view with_year = text;
  if (const auto y = take_number(with_year, 4, false);
      y && *y >= first_year && take_one_of(with_year, " :")) {
    year = y;
    text = with_year;
  }
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  const double zone = take_zone(text);
  if (!year && text.size() >= 5 && text.front() == ' ') {
    // The year follows the time, perhaps after the name of a zone.
    std::string_view behind = text.substr(1);
    while (!behind.empty() && behind.front() >= 'A' && behind.front() <= 'Z') {
      behind.remove_prefix(1);
    }
    take_one_of(behind, " ");
    const auto y = take_number(behind, 4, false);
    if (y && *y >= first_year && ends_there(behind)) year = y;
  }
  const auto count = days_of(year.value_or(any_year), *month, *day);
  if (!count) return std::nullopt;
  line = text;
  return Stamp{*count * day_s + *time - zone, year ? Stamp::Kind::date : Stamp::Kind::yearless};
}

// "I1001 20:05:50.000000 7 x.cc:1]": month and day as Google's loggers write them.
std::optional<Stamp> take_glog(std::string_view line) {
  if (!take_one_of(line, "IWEF")) return std::nullopt;
  const auto month = digits_at(line, 0, 2);
  const auto day = digits_at(line, 2, 2);
  if (!month || !day || line.size() < 5 || line[4] != ' ') return std::nullopt;
  line.remove_prefix(5);
  const auto days = days_of(any_year, *month, *day);
  const auto time = take_time(line, ":");
  if (!days || !time) return std::nullopt;
  return Stamp{*days * day_s + *time, Stamp::Kind::yearless};
}

// The stamp that begins here; plain numbers do not count.
std::optional<Stamp> stamp_at(std::string_view line, DateOrder order) {
  std::string_view rest = line;
  if (const auto date = take_date(rest, order); date && ends_there(rest)) {
    return Stamp{*date, Stamp::Kind::date};
  }
  rest = line;
  if (const auto date = take_compact(rest); date && ends_there(rest)) {
    return Stamp{*date, Stamp::Kind::date};
  }
  rest = line;
  if (const auto stamp = take_worded(rest); stamp && ends_there(rest)) return stamp;
  rest = line;
  const auto time = take_time(rest, ":");
  // "12:20:05:55" begins with line number 12.
  const bool goes_on = rest.size() > 1 && rest[0] == ':' && is_digit(rest[1]);
  if (time && ends_there(rest) && !goes_on) return Stamp{*time, Stamp::Kind::of_day};
  return std::nullopt;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::optional<double> parse_stamp(std::string_view text, DateOrder order) {
  const auto moment = take_date(text, order);
  return text.empty() ? moment : std::nullopt;
}

std::optional<Stamp> find_stamp(std::string_view before, DateOrder order) {
  std::optional<Stamp> best = take_glog(before);
  const auto tells_more = [&](const Stamp& stamp) { return !best || stamp.kind < best->kind; };
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool begins = i == 0 || !(is_digit(before[i - 1]) || is_letter(before[i - 1]));
    if (!begins || !(is_digit(before[i]) || is_letter(before[i]))) continue;
    const auto stamp = stamp_at(before.substr(i), order);
    if (stamp && tells_more(*stamp)) best = stamp;
    if (best && best->kind == Stamp::Kind::date) return best;
  }
  if (best) return best;
  std::string_view rest = before;
  while (take_one_of(rest, " \t[(\"'<")) continue;
  std::string_view time_of_day = rest;
  if (const auto time = take_time(time_of_day); time && ends_there(time_of_day)) {
    return Stamp{*time, Stamp::Kind::of_day};
  }
  constexpr std::size_t most_digits = 19;
  constexpr double surely_milliseconds = 1e11;  // as seconds: the year 5138
  const auto number = take_number(rest, most_digits, true);
  take_one_of(rest, "s");
  if (!number || !ends_there(rest) || rest.empty()) return std::nullopt;
  double seconds = *number;
  while (seconds >= surely_milliseconds) seconds /= 1000;  // or micro- or nanoseconds
  return Stamp{seconds, Stamp::Kind::counter};
}

DateOrder order_of(const std::vector<std::string_view>& stamped) {
  // Total span of the stamps in this order; an invalid date counts as a day, so that a single
  // damaged stamp does not decide.
  const auto span_of = [&](DateOrder order) {
    double span = 0;
    std::optional<double> last;
    for (const std::string_view text : stamped) {
      const auto stamp = find_stamp(text, order);
      if (!stamp || stamp->kind != Stamp::Kind::date) {
        span += day_s;
        continue;
      }
      // Limits the effect of clock changes.
      if (last) span += std::min(std::abs(stamp->seconds - *last), day_s);
      last = stamp->seconds;
    }
    return span;
  };
  return span_of(DateOrder::day_first) < span_of(DateOrder::month_first) ? DateOrder::day_first
                                                                         : DateOrder::month_first;
}

void TornLines::note(std::string what) {
  if (count_++ == 0) first_ = std::move(what);
}

void TornLines::settle(std::size_t rows, std::vector<std::string>& remarks) const {
  if (count_ == 0) return;
  constexpr std::size_t one_in = 100;
  constexpr std::size_t fewest = 10;  // with fewer rows a bad line is not accepted as torn
  if (rows < fewest || count_ > std::max<std::size_t>(1, rows / one_in)) {
    throw base::UserError(first_);
  }
  remarks.push_back(
      fmt::format("{} line(s) that cannot be read (torn?) left out: {}", count_, first_));
}

double RunningClock::next(const Stamp& stamp, std::int64_t line) {
  double now = stamp.seconds + wraps_;
  if (!last_) {
    last_ = now;
    return now;
  }
  // At midnight or New Year the stamp starts again.
  const double round = stamp.kind == Stamp::Kind::of_day     ? day_s
                       : stamp.kind == Stamp::Kind::yearless ? year_s
                                                             : 0;
  if (round > 0 && now < *last_ - round / 2) {
    wraps_ += round;
    now += round;
  }
  // A log that goes from February 28 to March 1 is from a year without February 29.
  if (stamp.kind == Stamp::Kind::yearless) {
    const double leap_day = *days_of(any_year, 2, 29) * day_s;
    const double before = *last_ - wraps_;
    if (before < leap_day && before >= leap_day - day_s && stamp.seconds >= leap_day + day_s &&
        now > *last_) {
      wraps_ -= day_s;
      now -= day_s;
    }
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
  // Usual number of rows with equal stamps.
  std::size_t usual = 1;
  if (groups.size() > 2) {
    std::vector<std::size_t> sizes;
    for (std::size_t g = 1; g + 1 < groups.size(); ++g) sizes.push_back(groups[g].size());
    usual = base::median(std::move(sizes));
  }
  std::vector<double> out = moments;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group& group = groups[g];
    const bool last = g + 1 == groups.size();
    const double begin = moments[group.begin];
    // Rows are not spread over a gap.
    const double room =
        last ? last_interval_s : std::min(moments[groups[g + 1].begin] - begin, last_interval_s);
    const bool cut = (g == 0 || last) && group.size() < usual;
    const std::size_t count = cut ? usual : group.size();
    const std::size_t missing = cut && !last ? usual - group.size() : 0;  // rows before its first
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
