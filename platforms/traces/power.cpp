// Power logs: MLPerf.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "platforms/traces/import.hpp"
#include "platforms/traces/stamps.hpp"

namespace convoy::platforms {
namespace {

// The cell after the cell `name`; empty if there is none.
std::string_view cell_after(std::string_view line, std::string_view name) {
  for (bool next = false; !line.empty();) {
    const std::size_t comma = line.find(',');
    const std::string_view cell = base::trimmed(line.substr(0, comma));
    if (next) return cell;
    next = cell == name;
    line.remove_prefix(comma == line.npos ? line.size() : comma + 1);
  }
  return {};
}

constexpr std::size_t shown = 40;  // characters of wrong text in a message

struct Reading {
  std::string_view date;
  double watts;
  std::int64_t line;
};

std::vector<Reading> readings_in(std::string_view text, const std::string& file, TornLines& torn) {
  std::vector<Reading> readings;
  base::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (base::trimmed(line).empty()) continue;
    const auto note = [&](const std::string& what) {
      torn.note(fmt::format("{}:{}: {}", file, lines.line(), what));
    };
    const std::string_view date = cell_after(line, "Time");
    const std::string_view watts = cell_after(line, "Watts");
    const double value = base::parse_number(watts);
    if (date.empty() || watts.empty()) {
      note("\"Time,DATE,Watts,NUMBER\" is expected");
    } else if (!parse_stamp(date) && !parse_stamp(date, DateOrder::day_first)) {
      note(fmt::format("\"{}\" is no date", base::printable(date, shown)));
    } else if (std::isnan(value)) {
      note(fmt::format("Watts: \"{}\" is no finite number", base::printable(watts, shown)));
    } else if (const auto wrong = out_of_range(Column::power_w, value);
               wrong && (value <= -10 || value > 0)) {
      note("Watts: " + *wrong);
    } else {
      readings.push_back({date, value, lines.line()});
    }
  }
  return readings;
}

}  // namespace

Trace import_mlperf_power(std::string_view text, const std::string& file) {
  Trace trace;
  trace.name = file;
  TornLines torn;
  const std::vector<Reading> readings = readings_in(text, file, torn);
  std::vector<std::string_view> dates;
  dates.reserve(readings.size());
  for (const Reading& r : readings) dates.push_back(r.date);
  const DateOrder order = order_of(dates);
  std::vector<double> moments;
  std::vector<double>& power = trace.of(Column::power_w);
  std::int64_t negative = 0;
  RunningClock clock;
  for (const Reading& r : readings) {
    const auto moment = parse_stamp(r.date, order);
    if (!moment) {
      torn.note(fmt::format("{}:{}: \"{}\" is no date as the others are", file, r.line,
                            base::printable(r.date, shown)));
      continue;
    }
    negative += r.watts < 0 ? 1 : 0;
    moments.push_back(clock.next(*moment, r.line));
    power.push_back(std::max(r.watts, 0.0));
  }
  torn.settle(moments.size(), trace.remarks);
  if (moments.empty()) throw base::UserError(file + ": has no line");
  if (negative > 0) {
    trace.remarks.push_back(
        fmt::format("{} negative reading(s) of an idle meter taken as 0", negative));
  }
  const double first = moments.front();
  for (double& moment : moments) moment -= first;
  trace.time = spread(moments, 1);
  if (std::string set = clock.remark(); !set.empty()) trace.remarks.push_back(std::move(set));
  if (std::string gaps = gaps_in(trace.time); !gaps.empty()) trace.remarks.push_back(gaps);
  trace.remarks.emplace_back(
      "power_w is what the device drew under the benchmark that was recorded");
  return trace;
}

}  // namespace convoy::platforms
