#pragma once

// A trace: how a node or its link changes over time, in steps. Convoy's format is a CSV with a
// heading, `time_s` and any of the columns below; an empty cell keeps the last value.
//
//   const Trace trace = read_trace("orin.csv");
//   trace.at(Column::speed, 12.5);
//
// A value holds from its time until the next one, the first also before its time. At the last row
// the trace ends: its values hold on, or, if the trace is repeated, the first row follows.

#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/words.hpp"

namespace convoy::platforms {

enum class Column {
  available,  // 1: present; 0: absent
  speed,      // of computing, relative to nominal; 0: suspended
  up_bps,     // bit/s from the node, and to it: 0, or at least 1
  down_bps,
  latency_s,          // of its link, for transfers that start from now on
  power_w,            // draw of the whole device
  temperature_c,      // for display only
  memory_free_bytes,  // usable by tasks
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
  std::string name;          // of the file or the generator
  bool synthetic = false;    // generated, not recorded
  std::vector<double> time;  // s, strictly rising, at least one; the first is 0 after reading
  // By Column: empty (no such column), or a value per time; NaN before the first known value.
  std::array<std::vector<double>, trace_columns> values;
  std::vector<std::string> remarks;  // about repairs, omissions and assumptions

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
// no row, a time that is missing, negative or not rising, a value that is not finite or out of
// range. Shifts times so that the first is 0.
Trace read_trace(const std::string& file);
Trace parse_trace(std::string_view text, const std::string& file);

// Replaces unknown values (NaN): each value holds until the next, the first also before. Removes
// columns without values.
void fill_gaps(Trace& trace);

// Writes Convoy's format; numbers with as many digits as needed.
std::string to_csv(const Trace& trace);

// Describes the allowed range if `value` may not stand in the column; else nothing.
std::optional<std::string> out_of_range(Column column, double value);

// How a node uses a trace.
struct TraceUse {
  double start_s = 0;  // virtual start time of the trace
  double from_s = 0;   // start of the used part, in the trace's time
  double to_s = std::numeric_limits<double>::infinity();
  double phase_s = 0;  // offset into the used part at the start; repeated traces only
  bool loop = false;
};

}  // namespace convoy::platforms
