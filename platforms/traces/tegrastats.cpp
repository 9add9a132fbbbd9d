#include "sensors/tegrastats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/diagnostics.hpp"
#include "platforms/traces/import.hpp"
#include "platforms/traces/stamps.hpp"

namespace convoy::platforms {
namespace {

struct Row {
  std::string_view before;  // part of the line before the output of tegrastats
  std::optional<Stamp> stamp;
  std::int64_t line = 0;
  double power_w = 0;  // here and below NaN: not in the line
  double temperature_c = 0;
  double memory_free_bytes = 0;
};

// The value; NaN if there is none, or if it is out of bounds (which is counted).
double allowed(std::optional<double> value, Column column, std::int64_t& out_of_bounds) {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  if (!value) return nothing;
  if (!out_of_range(column, *value)) return *value;
  ++out_of_bounds;
  return nothing;
}

// The text before the output of tegrastats; may be empty if the line is cut off.
std::string_view before_content(std::string_view line) {
  std::size_t begin = line.size();
  for (const char* word : {"RAM", "SWAP", "IRAM", "CPU", "EMC_FREQ", "GR3D", "AUX@"}) {
    begin = std::min(begin, line.find(word));
  }
  return line.substr(0, begin);
}

// Finds the stamps of the rows. Afterwards all rows have a stamp of the same kind, or none has one.
void stamp_all(std::vector<Row>& rows, const std::string& file, Trace& trace) {
  std::vector<std::string_view> before;
  before.reserve(rows.size());
  for (const Row& row : rows) before.push_back(row.before);
  const DateOrder order = order_of(before);
  std::map<Stamp::Kind, std::size_t> kinds;
  bool numbered = true;
  for (Row& row : rows) {
    row.stamp = find_stamp(row.before, order);
    if (row.stamp) ++kinds[row.stamp->kind];
    numbered = numbered && row.stamp && row.stamp->kind == Stamp::Kind::counter &&
               row.stamp->seconds == static_cast<double>(row.line);
  }
  if (numbered) {
    for (Row& row : rows) row.stamp.reset();
    trace.remarks.emplace_back("the numbers in front of its lines are those of the lines");
    return;
  }
  if (kinds.empty()) return;
  const auto usual = std::ranges::max_element(kinds, {}, [](const auto& k) { return k.second; });
  const std::size_t others = rows.size() - usual->second;
  if (others > usual->second) {
    throw base::UserError(fmt::format(
        "{}: {} of {} lines have no date, or another kind of date than the rest; is it two logs in "
        "one?",
        file, others, rows.size()));
  }
  if (others == 0) return;
  std::erase_if(rows,
                [&](const Row& row) { return !row.stamp || row.stamp->kind != usual->first; });
  trace.remarks.push_back(fmt::format(
      "{} line(s) without the date that the others have (torn, or of another log?) left out",
      others));
}

// The times of the rows. Either all rows have a stamp, or none has one.
std::vector<double> times_of(const std::vector<Row>& rows, double interval_s, Trace& trace) {
  std::vector<double> moments;
  moments.reserve(rows.size());
  if (!rows.front().stamp) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      moments.push_back(static_cast<double>(i) * interval_s);
    }
    trace.remarks.push_back(
        fmt::format("its lines have no date: taken as {:g} s apart", interval_s));
    return moments;
  }
  RunningClock clock;
  for (const Row& row : rows) moments.push_back(clock.next(*row.stamp, row.line));
  // Times start at 0: added to the seconds since 1970, tenths of a second are inexact.
  const double first = moments.front();
  for (double& moment : moments) moment -= first;
  moments = spread(moments, interval_s);
  if (std::string set = clock.remark(); !set.empty()) trace.remarks.push_back(std::move(set));
  if (std::string gaps = gaps_in(moments); !gaps.empty()) trace.remarks.push_back(std::move(gaps));
  return moments;
}

}  // namespace

Trace import_tegrastats(std::string_view text, const std::string& file, double interval_s,
                        bool as_recorded) {
  Trace trace;
  trace.name = file;
  std::vector<Row> rows;
  std::int64_t passed_over = 0;
  std::int64_t out_of_bounds = 0;
  bool memory = false;
  base::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    const auto fields = sensors::parse_tegrastats(line);
    if (!fields) {
      passed_over += base::trimmed(line).empty() ? 0 : 1;
      continue;
    }
    Row row{.before = before_content(line), .line = lines.line()};
    row.power_w = allowed(fields->power_w(), Column::power_w, out_of_bounds);
    row.temperature_c = allowed(fields->temperature_c(), Column::temperature_c, out_of_bounds);
    std::optional<double> free;
    if (fields->ram_used_bytes && fields->ram_total_bytes) {
      free = *fields->ram_total_bytes - *fields->ram_used_bytes;
      memory = true;
    }
    row.memory_free_bytes = allowed(free, Column::memory_free_bytes, out_of_bounds);
    rows.push_back(row);
  }
  if (rows.empty()) throw base::UserError(file + ": has no line of tegrastats");
  stamp_all(rows, file, trace);
  if (passed_over > 0) {
    trace.remarks.push_back(fmt::format("{} line(s) of something else left out", passed_over));
  }
  if (out_of_bounds > 0) {
    trace.remarks.push_back(fmt::format("{} value(s) that cannot be left out", out_of_bounds));
  }
  trace.time = times_of(rows, interval_s, trace);
  for (const Row& row : rows) {
    trace.of(Column::power_w).push_back(row.power_w);
    trace.of(Column::temperature_c).push_back(row.temperature_c);
    if (as_recorded) trace.of(Column::memory_free_bytes).push_back(row.memory_free_bytes);
  }
  const std::vector<double>& power = trace.of(Column::power_w);
  if (!std::all_of(power.begin(), power.end(), [](double w) { return std::isnan(w); })) {
    trace.remarks.emplace_back("power_w is what the module drew under the load that was recorded");
  }
  if (memory && as_recorded) {
    trace.remarks.emplace_back(
        "memory_free_bytes is what the recorded load left free: the node's tasks come on top of "
        "that load, and fail where it left too little");
  } else if (memory) {
    trace.remarks.emplace_back(
        "its free memory was left out: it is what the recorded load left, and the node's tasks "
        "take that load's place; --as-recorded takes it");
  }
  return trace;
}

}  // namespace convoy::platforms
