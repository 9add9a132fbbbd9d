// Link traces: mahimahi, G-NetTrack.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "platforms/traces/import.hpp"
#include "platforms/traces/stamps.hpp"

namespace convoy::platforms {
namespace {

// A remark: only the phone's own traffic was measured, so with little demand the link seems slow.
std::string what_was_achieved(const Trace& trace) {
  const auto mean = [&](Column column) {
    const std::vector<double>& v = trace.of(column);
    return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  };
  const double down = mean(Column::down_bps);
  const double up = mean(Column::up_bps);
  std::string text = fmt::format(
      "the rates are what the phone's own traffic achieved (on average {:.3g} Mbit/s down, {:.3g} "
      "up), "
      "not what its link could carry: at most a lower bound",
      down / 1e6, up / 1e6);
  constexpr double of_acknowledgements = 0.05;
  if (std::min(down, up) < of_acknowledgements * std::max(down, up)) {
    const bool uplink = up < down;
    text += fmt::format(
        "; {0} carried little but the other direction's acknowledgements: leave {0} out where a "
        "node "
        "uses the trace (only = [\"{1}\"])",
        uplink ? "up_bps" : "down_bps", uplink ? "down_bps" : "up_bps");
  }
  return text;
}

// Sums over the rows of one second.
struct Sums {
  double moment;
  double down = 0;
  double up = 0;
  int rows = 0;
};

// Appends the averages, one row per second; `seconds` must not be empty.
void put_averages(const std::vector<Sums>& seconds, Trace& trace) {
  for (const Sums& s : seconds) {
    trace.time.push_back(s.moment);
    trace.of(Column::down_bps).push_back(s.down / s.rows);
    trace.of(Column::up_bps).push_back(s.up / s.rows);
  }
  // The last row also lasts one second.
  trace.time.push_back(trace.time.back() + 1);
  for (const Column c : {Column::down_bps, Column::up_bps}) {
    trace.of(c).push_back(trace.of(c).back());
  }
}

}  // namespace

Trace import_mahimahi(std::string_view text, const std::string& file, Column direction,
                      double bin_s) {
  constexpr double bits = 8 * 1500;
  constexpr double longest_ms = 1e9;  // eleven days
  constexpr std::size_t shown = 40;
  std::vector<double> moments;  // ms
  base::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    line = base::trimmed(line);
    if (line.empty()) continue;
    const double ms = base::parse_number(line);
    const auto fail = [&](const std::string& what) {
      throw base::UserError(fmt::format("{}:{}: {}", file, lines.line(), what));
    };
    if (std::isnan(ms)) {
      fail(fmt::format("\"{}\" is no time in milliseconds", base::printable(line, shown)));
    }
    if (ms < 0 || ms > longest_ms || ms != std::floor(ms)) {
      fail(fmt::format("{:g}: whole milliseconds from 0 to 1e9 are expected", ms));
    }
    if (!moments.empty() && ms < moments.back()) {
      fail(fmt::format("{:g} ms comes before {:g} ms, the line above", ms, moments.back()));
    }
    moments.push_back(ms);
  }
  if (moments.empty() || moments.back() <= 0) {
    throw base::UserError(file + ": has no time after 0: nothing can pass");
  }
  const double period = moments.back() / 1000;
  const auto bins = static_cast<std::size_t>(std::ceil(period / bin_s - 1e-9));
  if (bins > most_rows) {
    throw base::UserError(
        fmt::format("{}: {} bins of {:g} s; choose a larger --bin-s", file, bins, bin_s));
  }
  std::vector<double> counts(bins, 0);
  for (const double ms : moments) {
    // Bytes at the very end belong to the last bin.
    ++counts[std::min(static_cast<std::size_t>(ms / 1000 / bin_s + 1e-9), bins - 1)];
  }
  Trace trace;
  trace.name = file;
  std::vector<double>& rate = trace.of(direction);
  for (std::size_t i = 0; i < bins; ++i) {
    const double from = static_cast<double>(i) * bin_s;
    trace.time.push_back(from);
    rate.push_back(counts[i] * bits / (std::min(period, from + bin_s) - from));
  }
  trace.time.push_back(period);  // end of one period
  rate.push_back(rate.back());
  trace.remarks.push_back(
      fmt::format("{} opportunities of 1,500 bytes in {:g} s, counted over "
                  "{:g} s; repeat it (loop = true), as mahimahi does",
                  moments.size(), period, bin_s));
  trace.remarks.emplace_back(
      "the rate is what the link could carry: it was kept full while it was recorded");
  return trace;
}

Trace import_gnettrack(std::string_view text, const std::string& file) {
  base::CsvReader csv(text, file);
  const int time = csv.column("Timestamp");
  const int down = csv.column("DL_bitrate");
  const int up = csv.column("UL_bitrate");
  if (time < 0 || down < 0 || up < 0) {
    throw base::UserError(file + ": a heading with Timestamp, DL_bitrate and UL_bitrate is needed");
  }
  std::vector<Sums> seconds;
  std::int64_t rows = 0;
  std::int64_t missing = 0;
  RunningClock clock;
  constexpr double kilo = 1000;
  TornLines torn;
  const auto take_row = [&] {
    const auto stamp = parse_stamp(csv.cell(time));
    if (!stamp) csv.fail(time, "is no date like 2020.02.14_13.21.26");
    const auto given = [&](int column) {
      return !csv.cell(column).empty() && csv.cell(column) != "-";
    };
    const bool both = given(down) && given(up);
    const double d = both ? kilo * csv.number(down) : 0;
    const double u = both ? kilo * csv.number(up) : 0;
    if (const auto wrong = out_of_range(Column::down_bps, d)) csv.fail(down, *wrong);
    if (const auto wrong = out_of_range(Column::up_bps, u)) csv.fail(up, *wrong);
    const double moment = clock.next(*stamp, csv.line());
    ++rows;
    if (!both) {
      ++missing;
      return;
    }
    if (seconds.empty() || moment > seconds.back().moment) seconds.push_back({moment});
    Sums& s = seconds.back();
    s.down += d;
    s.up += u;
    ++s.rows;
  };
  for (bool more = true; more;) {
    try {
      more = csv.next();
      if (more) take_row();
    } catch (const base::UserError& e) {
      torn.note(e.what());
    }
  }
  Trace trace;
  trace.name = file;
  torn.settle(static_cast<std::size_t>(rows), trace.remarks);
  if (seconds.empty()) throw base::UserError(file + ": has no row with both bitrates");
  put_averages(seconds, trace);
  const auto shared = rows - missing - static_cast<std::int64_t>(seconds.size());
  if (shared > 0)
    trace.remarks.push_back(fmt::format("{} row(s) share a second with another: averaged", shared));
  if (missing > 0)
    trace.remarks.push_back(fmt::format("{} row(s) without a bitrate left out", missing));
  if (std::string set = clock.remark(); !set.empty()) trace.remarks.push_back(std::move(set));
  if (std::string gaps = gaps_in(trace.time); !gaps.empty()) trace.remarks.push_back(gaps);
  trace.remarks.push_back(what_was_achieved(trace));
  return trace;
}

}  // namespace convoy::platforms
