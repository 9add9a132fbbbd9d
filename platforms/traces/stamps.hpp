#pragma once

// Dates in logs, clocks that are set while something is logged, and rows that have the same date.
// Internal to platforms/traces.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/csv.hpp"

namespace convoy::platforms {

// What "10-01-2025" is: the first of October, or the tenth of January. tegrastats has the month
// first. With the year in front ("2025-10-01") there is no question.
enum class DateOrder { month_first, day_first };

// Seconds since some midnight, UTC where it names a zone, of "10-01-2025 20:05:55",
// "08-10-2021 17:01:45.652", "10-01-2025 08:05:55 PM", "2020.02.14_13.21.26" or
// "2025-10-01T20:05:50,5+02:00"; nothing where it is none.
std::optional<double> parse_stamp(std::string_view text, DateOrder order = DateOrder::month_first);

// What a line says of its time.
struct Stamp {
  enum class Kind {  // what tells more first
    date,            // to the year
    yearless,        // "Oct 01 20:05:10": in a year that does not matter
    of_day,          // "20:05:10"
    counter,         // "1759348800.25", "[  123.456]": seconds since something
  };
  double seconds = 0;
  Kind kind = Kind::date;
};

// The stamp in what stands before the content of a line of a log, whoever put it there: the
// program, `ts`, `date`, a logger ("INFO 2025-10-01 20:05:50"), a journal ("Oct 01 20:05:10 host
// tegrastats[7]: "), a web server ("[01/Oct/2025:20:05:50 +0000]"). A date counts for more than a
// time of day, and that for more than a number, such as that of a line, in front.
// Nothing where there is none. Names of months are English.
std::optional<Stamp> find_stamp(std::string_view before, DateOrder order = DateOrder::month_first);

// The order in which the stamps of one log span less time: across midnight a wrong one jumps by a
// month, and what is no date in an order counts as a day. Where both are alike, the month first.
DateOrder order_of(const std::vector<std::string_view>& stamped);

// Lines of a log that cannot be read: one in a hundred may be torn, and is left out with a remark.
class TornLines {
 public:
  void note(std::string what);  // with file and line
  // `rows`: that could be read. Throws base::UserError, the first noted, where too many cannot.
  void settle(std::size_t rows, std::vector<std::string>& remarks) const;

 private:
  std::size_t count_ = 0;
  std::string first_;
};

// Stamps of one log one after another, made never to go back. A clock that goes back, or jumps by
// more than a year, was set (a start without a battery, the end of summer time): the row then
// counts as one step behind the one above, and the rest goes on from there. Midnight and New Year
// are no such thing for stamps without a day or a year.
class RunningClock {
 public:
  double next(const Stamp& stamp, std::int64_t line);
  double next(double seconds, std::int64_t line) {
    return next({seconds, Stamp::Kind::date}, line);
  }
  // What was made of it, for people; empty where the clock was never set.
  [[nodiscard]] std::string remark() const;

 private:
  std::optional<double> last_;  // as it was stamped, with midnights
  double shift_ = 0;            // from stamps to what is given out
  double wraps_ = 0;            // s, of midnights or New Years
  double step_ = 1;             // s, between the last two rows that had one
  std::int64_t sets_ = 0;
  std::int64_t first_line_ = 0;
  double first_by_ = 0;
};

// Moments of a log that may repeat. spread(): those of one moment evenly up to the next one; where
// the log begins within a moment, its rows are the last of that one.
std::vector<double> spread(const std::vector<double>& moments, double last_interval_s);

// The longest step between two moments and how many are longer than three of the middle one; a
// remark for people, empty where there is nothing to say.
std::string gaps_in(const std::vector<double>& moments);

}  // namespace convoy::platforms
