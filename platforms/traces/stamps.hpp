#pragma once

// Dates in logs, clock changes during logging, and rows with equal dates. Internal to
// platforms/traces.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/csv.hpp"

namespace convoy::platforms {

constexpr double day_s = 86400;

// "10-01-2025" may mean October 1 or January 10. tegrastats writes the month first. Dates that
// begin with the year ("2025-10-01") are unambiguous.
enum class DateOrder { month_first, day_first };

// Parses "10-01-2025 20:05:55", "08-10-2021 17:01:45.652", "10-01-2025 08:05:55 PM",
// "2020.02.14_13.21.26" or "2025-10-01T20:05:50,5+02:00" to seconds (UTC if it has a zone); nothing
// for other texts.
std::optional<double> parse_stamp(std::string_view text, DateOrder order = DateOrder::month_first);

// The time stamp of a log line.
struct Stamp {
  enum class Kind {  // best first
    date,            // to the year
    yearless,        // "Oct 01 20:05:10"
    of_day,          // "20:05:10"
    counter,         // "1759348800.25", "[  123.456]": seconds since any start
  };
  double seconds = 0;
  Kind kind = Kind::date;
};

// Finds the stamp in the text before a log line's content, written by the program, `ts`, `date`, a
// logger ("INFO 2025-10-01 20:05:50"), a journal ("Oct 01 20:05:10 host tegrastats[7]: ") or a web
// server ("[01/Oct/2025:20:05:50 +0000]"). Prefers dates to times of day, and these to numbers
// (such as line numbers). Nothing if there is no stamp. Month names are English.
std::optional<Stamp> find_stamp(std::string_view before, DateOrder order = DateOrder::month_first);

// The order with the shorter total span of a log's stamps: a wrong order jumps by a month at
// midnight; stamps invalid in an order count as a day. Equal spans: month first.
DateOrder order_of(const std::vector<std::string_view>& stamped);

// Counts unreadable lines of a log: up to one in a hundred is left out, with a remark.
class TornLines {
 public:
  void note(std::string what);  // with file and line
  // `rows`: number of readable ones. Throws base::UserError with the first bad line if too many are
  // bad.
  void settle(std::size_t rows, std::vector<std::string>& remarks) const;

 private:
  std::size_t count_ = 0;
  std::string first_;
};

// Makes the stamps of a log monotonic. If the clock goes back, or jumps by more than a year, it was
// set (a start without a battery, end of summer time): the row then counts as one step after the
// row before, and later rows follow it. Midnight and New Year are handled for stamps without day or
// year.
class RunningClock {
 public:
  double next(const Stamp& stamp, std::int64_t line);
  double next(double seconds, std::int64_t line) {
    return next({seconds, Stamp::Kind::date}, line);
  }
  // Describes the clock changes for people; empty if there were none.
  [[nodiscard]] std::string remark() const;

 private:
  std::optional<double> last_;  // last stamp, with days added
  double shift_ = 0;            // from stamps to results
  double wraps_ = 0;            // days or years added, s
  double step_ = 1;             // between the last two stamped rows, s
  std::int64_t sets_ = 0;
  std::int64_t first_line_ = 0;
  double first_by_ = 0;
};

// Spreads rows with equal times evenly up to the next time. If the log begins within a second, its
// first rows are put at that second's end.
std::vector<double> spread(const std::vector<double>& moments, double last_interval_s);

// A remark about the longest gap and the number of gaps above three times the median; empty if
// there are none.
std::string gaps_in(const std::vector<double>& moments);

}  // namespace convoy::platforms
