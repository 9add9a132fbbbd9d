#pragma once

// A trace: how a node or its link changed over time, as steps. Convoy's own format is a CSV with a
// heading, `time_s` and any of the columns below; an empty cell keeps what was before it.
//
//   const Trace trace = read_trace("orin.csv");
//   trace.at(Column::speed, 12.5);
//
// A value holds from its time until the next one, the first also before its time. The last row ends
// the trace: its values hold on, or, where the trace is repeated, the first row's begin at its
// time.

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/words.hpp"

namespace convoy::platforms {

enum class Column {
  available,  // 1: there; 0: away
  speed,      // of computing, a share of nominal; 0: it stands still
  up_bps,     // bit/s that the node can send, and receive: 0, or at least 1
  down_bps,
  latency_s,          // of its link; for transfers that start from then on
  power_w,            // that the whole device draws
  temperature_c,      // for the eye: nothing follows from it
  memory_free_bytes,  // that a task may use
};
inline constexpr base::Words<Column> column_words = {
    {Column::available, "available"},
    {Column::speed, "speed"},
    {Column::up_bps, "up_bps"},
    {Column::down_bps, "down_bps"},
    {Column::latency_s, "latency_s"},
    {Column::power_w, "power_w"},
    {Column::temperature_c, "temperature_c"},
    {Column::memory_free_bytes, "memory_free_bytes"}};
constexpr int trace_columns = static_cast<int>(column_words.size());
constexpr std::size_t most_rows = 20'000'000;  // of what is made or converted
// What follows from a column: "how fast the node computes".
const char* driven_by(Column column);

struct Trace {
  std::string name;          // file, or what made it
  bool synthetic = false;    // drawn by a generator, not recorded
  std::vector<double> time;  // s, strictly rising, at least one; the first is 0 after reading
  // By Column: empty (not there), or one for each time; NaN before the first that is known.
  std::array<std::vector<double>, trace_columns> values;
  std::vector<std::string> remarks;  // what was repaired, left out or assumed

  [[nodiscard]] bool has(Column column) const { return !of(column).empty(); }
  [[nodiscard]] const std::vector<double>& of(Column column) const {
    return values[static_cast<std::size_t>(column)];
  }
  [[nodiscard]] std::vector<double>& of(Column column) {
    return values[static_cast<std::size_t>(column)];
  }
  [[nodiscard]] double length() const { return time.back() - time.front(); }  // s
};

// Throws base::UserError with file, line and column for: no heading, no time_s, an unknown column,
// no row, a time that is missing, negative or does not rise, a value that is no finite number or
// out of range. Times are shifted so that the first is 0.
Trace read_trace(const std::string& file);
Trace parse_trace(std::string_view text, const std::string& file);

// Fills what is not known (NaN): a value holds until the next, the first also before. A column of
// which nothing is known is none.
void fill_gaps(Trace& trace);

// As such a file; times and values with as many digits as they need.
std::string to_csv(const Trace& trace);

// Whether a value may stand in a column; says what is allowed where it may not.
std::optional<std::string> out_of_range(Column column, double value);

// How a node uses a trace.
struct TraceUse {
  double start_s = 0;  // virtual time at which it begins; before it there is none
  double from_s = 0;   // the part of it that is used, in its own time
  double to_s = std::numeric_limits<double>::infinity();
  double phase_s = 0;  // of that part that is over at the start; only where it is repeated
  bool loop = false;
};

}  // namespace convoy::platforms
