#include "platforms/traces/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::platforms {
namespace {

struct Range {
  double low;
  double high;
  const char* rule;
};

// Values outside of these ranges are mistakes, mostly of the unit.
const std::array<Range, trace_columns>& ranges() {
  static const std::array<Range, trace_columns> all = {{
      {0, 1, "0 or 1"},
      {0, 1000, "from 0 to 1000, 1 is nominal"},
      {0, 1e13, "0, or bit/s from 1 to 1e13"},
      {0, 1e13, "0, or bit/s from 1 to 1e13"},
      {0, 3600, "seconds from 0 to 3600"},
      {0, 1e5, "watts from 0 to 1e5"},
      {-100, 300, "degrees Celsius from -100 to 300"},
      {0, 1e15, "bytes from 0 to 1e15"},
  }};
  return all;
}

// Minimum of a rate above 0, as for links (lowest_rate_bps of platforms/link.hpp).
constexpr double lowest_bps = 1;

constexpr std::string_view synthetic_mark = "# synthetic: ";

// The table's column for each column of a trace.
std::map<Column, int> columns_of(const base::CsvReader& csv, int time, const std::string& file) {
  std::map<Column, int> at;
  for (std::size_t i = 0; i < csv.columns().size(); ++i) {
    const std::string& name = csv.columns()[i];
    if (static_cast<int>(i) == time) continue;
    const auto known = value_of(column_words, name);
    if (!known) {
      const std::vector<std::string> names = texts_of(column_words);
      throw base::UserError(fmt::format("{}: unknown column \"{}\"{}; known: time_s, {}", file,
                                        base::printable(name), base::did_you_mean(name, names),
                                        base::list_of(names)));
    }
    at[*known] = static_cast<int>(i);
  }
  return at;
}

}  // namespace

const char* driven_by(Column column) {
  static const std::array<const char*, trace_columns> all = {
      "whether the node is there",      "how fast the node computes",
      "how fast the node sends",        "how fast the node receives",
      "the latency of the node's link", "the node's energy, whatever the node does",
      "nothing: it is for the eye",     "which tasks fit: one that needs more fails"};
  return all.at(static_cast<std::size_t>(column));
}

std::optional<std::string> out_of_range(Column column, double value) {
  const Range& range = ranges().at(static_cast<std::size_t>(column));
  const bool flag = column == Column::available;
  const bool rate = column == Column::up_bps || column == Column::down_bps;
  const bool fits = value >= range.low && value <= range.high &&
                    (!flag || value == 0 || value == 1) &&
                    (!rate || value == 0 || value >= lowest_bps);
  if (fits) return std::nullopt;
  return fmt::format("{:g} is out of range: expected {}", value, range.rule);
}

Trace parse_trace(std::string_view text, const std::string& file) {
  Trace trace;
  trace.name = file;
  trace.synthetic = text.find(synthetic_mark) != text.npos;
  base::CsvReader csv(text, file);
  const int time = csv.column("time_s");
  if (time < 0) {
    throw base::UserError(file + ": the heading has no time_s; other formats are converted by " +
                          "convoy trace import");
  }
  const std::map<Column, int> at = columns_of(csv, time, file);
  double first = 0;
  while (csv.next()) {
    const double t = csv.number(time);
    if (std::isnan(t)) csv.fail(time, "is missing");
    if (t < 0 || t > 1e12) csv.fail(time, fmt::format("{:g}: seconds from 0 on are expected", t));
    if (trace.time.empty()) first = t;
    if (!trace.time.empty() && t - first <= trace.time.back()) {
      csv.fail(time, fmt::format("{:g} does not come after {:g}, the row before", t,
                                 first + trace.time.back()));
    }
    trace.time.push_back(t - first);
    for (const auto& [what, place] : at) {
      const double value = csv.number(place);
      const auto wrong = std::isnan(value) ? std::nullopt : out_of_range(what, value);
      if (wrong) csv.fail(place, *wrong);
      trace.of(what).push_back(value);
    }
  }
  if (trace.time.empty()) throw base::UserError(file + ": has a heading, but no row");
  fill_gaps(trace);
  return trace;
}

void fill_gaps(Trace& trace) {
  for (std::vector<double>& column : trace.values) {
    const auto known = std::ranges::find_if(column, [](double v) { return !std::isnan(v); });
    if (known == column.end()) {
      column.clear();
      continue;
    }
    std::fill(column.begin(), known, *known);
    for (auto v = known; v != column.end(); ++v) {
      if (std::isnan(*v)) *v = *(v - 1);
    }
  }
}

Trace read_trace(const std::string& file) { return parse_trace(base::read_text_file(file), file); }

std::string to_csv(const Trace& trace) {
  std::string text;
  const auto remark = [&](const std::string& line) {
    text += "# " + base::printable(line, 400) + "\n";
  };
  if (trace.synthetic) {
    text += std::string(synthetic_mark) + base::printable(trace.name, 400) + "\n";
  } else {
    remark("from " + trace.name);
  }
  for (const std::string& r : trace.remarks) remark(r);
  text += "time_s";
  std::vector<const std::vector<double>*> columns;
  for (const auto& [column, word] : column_words) {
    if (!trace.has(column)) continue;
    text += fmt::format(",{}", word);
    columns.push_back(&trace.of(column));
  }
  text += "\n";
  for (std::size_t i = 0; i < trace.time.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}", trace.time[i]);
    for (const auto* column : columns) {
      const double v = (*column)[i];
      text += ',';
      if (!std::isnan(v)) fmt::format_to(std::back_inserter(text), "{}", v);
    }
    text += '\n';
  }
  return text;
}

}  // namespace convoy::platforms
