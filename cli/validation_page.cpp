#include "cli/validation_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>
#include <vector>

#include "base/text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

using platforms::ErrorSummary;
using platforms::Measurement;
using platforms::ValidatedGroup;
using platforms::ValidatedRow;
using platforms::Validation;
using Metric = Measurement::Metric;

const char* name_of(Metric metric) {
  constexpr std::array names = {"step times", "draws", "idle draws"};
  return names.at(static_cast<std::size_t>(metric));
}

std::string precision_of(const Measurement& row) {
  return std::string(name_of(engine::precision_words, row.precision));
}

std::string shown(const Measurement& row, double value) {
  return row.metric == Metric::step_time ? fmt::format("{:.2f} ms", 1e3 * value)
                                         : fmt::format("{:.2f} W", value);
}

std::string percent(double value) { return fmt::format("{:+.1f} %", 100 * value); }
std::string error_of(const ValidatedRow& row, const std::optional<double>& predicted) {
  return predicted ? percent(*predicted / row.row.value - 1) : "";
}

std::string model_of(const Measurement& row) {
  if (row.metric == Metric::idle_power) return "(idle)";
  return row.training ? row.model + ", training" : row.model;
}

std::string median_and_p90(const ErrorSummary& s) {
  return s.rows == 0 ? "" : fmt::format("{:.1f} / {:.1f} %", 100 * s.median, 100 * s.p90);
}

std::vector<std::string> cells_of(const ValidatedRow& row) {
  const Measurement& m = row.row;
  const bool idle = m.metric == Metric::idle_power;
  return {m.mode,
          model_of(m),
          idle ? "" : fmt::format("{}", m.batch),
          idle ? "" : precision_of(m),
          shown(m, m.value),
          shown(m, row.predicted),
          error_of(row, row.predicted),
          error_of(row, row.without_model),
          error_of(row, row.without_mode),
          error_of(row, row.without_batch)};
}

const std::vector<std::string>& headings() {
  static const std::vector<std::string> all = {
      "<mode",     "<model", "batch",          "<precision",    "measured",
      "predicted", "error",  "model left out", "mode left out", "batch left out"};
  return all;
}

// The rows of a group by mode, precision and batch.
using Kind = std::tuple<std::string, std::string, int>;
std::vector<std::pair<Kind, std::vector<const ValidatedRow*>>> by_kind(
    const ValidatedGroup& group) {
  std::vector<std::pair<Kind, std::vector<const ValidatedRow*>>> kinds;
  for (const ValidatedRow& row : group.rows) {
    const Kind kind(row.row.mode, precision_of(row.row), row.row.batch);
    auto found = std::find_if(kinds.begin(), kinds.end(),
                              [&](const auto& known) { return known.first == kind; });
    if (found == kinds.end()) found = kinds.insert(kinds.end(), {kind, {}});
    found->second.push_back(&row);
  }
  return kinds;
}

// A line for each kind of rows of a group; the headings are those of the page.
std::vector<std::vector<std::string>> summary_of(const Validation& validation) {
  std::vector<std::vector<std::string>> lines;
  for (const ValidatedGroup& group : validation.groups) {
    const bool idle = group.metric == Metric::idle_power;
    const auto line = [&](const std::string& mode, const std::string& precision,
                          const std::string& batch, std::size_t rows,
                          const platforms::RowErrors& errors) {
      lines.push_back({group.device, name_of(group.metric), mode, precision, batch,
                       std::to_string(rows), median_and_p90(errors.predicted),
                       median_and_p90(errors.without_model), median_and_p90(errors.without_mode),
                       median_and_p90(errors.without_batch)});
    };
    const auto kinds = by_kind(group);
    for (const auto& [kind, rows] : kinds) {
      const auto& [mode, precision, batch] = kind;
      line(mode, idle ? "" : precision, idle ? "" : std::to_string(batch), rows.size(),
           platforms::errors_of(rows));
    }
    if (kinds.size() > 1) line("all", "", "", group.rows.size(), group);
  }
  return lines;
}

// "12 x no such model here"
std::vector<std::string> reasons_of(const Validation& validation) {
  std::map<std::string, int> counts;
  for (const auto& row : validation.unused) ++counts[row.reason];
  std::vector<std::string> reasons;
  reasons.reserve(counts.size());
  for (const auto& [reason, count] : counts)
    reasons.push_back(fmt::format("{} x {}", count, reason));
  return reasons;
}

// --- the page -----------------------------------------------------------------------------------

std::string html_row(const std::vector<std::string>& cells, const char* tag,
                     const std::vector<std::string>& left) {
  std::string text = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const bool to_left = i < left.size() && left[i].starts_with('<');
    text +=
        fmt::format("<{0}{1}>{2}</{0}>", tag, to_left ? " class=l" : "", base::in_html(cells[i]));
  }
  return text + "</tr>\n";
}

std::string html_table(const std::vector<std::string>& heads,
                       const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> names;
  names.reserve(heads.size());
  for (const std::string& h : heads) names.push_back(h.starts_with('<') ? h.substr(1) : h);
  std::string text =
      "<div class=scroll><table>\n<thead>" + html_row(names, "th", heads) + "</thead>\n<tbody>\n";
  for (const auto& row : rows) text += html_row(row, "td", heads);
  return text + "</tbody></table></div>\n";
}

// Measured against predicted on logarithmic axes; equal values lie on the line.
std::string chart(const ValidatedGroup& group) {
  constexpr double side = 360;
  constexpr double margin = 46;
  double low = 1e300;
  double high = 0;
  for (const ValidatedRow& r : group.rows) {
    if (r.predicted <= 0) continue;  // a device of unknown draw
    low = std::min({low, r.row.value, r.predicted});
    high = std::max({high, r.row.value, r.predicted});
  }
  if (high <= 0) return "";
  low /= 1.3;
  high *= 1.3;
  const auto at = [&](double v) { return std::log(v / low) / std::log(high / low) * side; };
  const auto x = [&](double v) { return margin + at(v); };
  const auto y = [&](double v) { return side + 10 - at(v); };
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {0} {1}' role=img aria-label='measured against predicted {2} of {3}'>",
      side + margin + 12, side + 52, name_of(group.metric), base::in_html(group.device));
  const bool times = group.metric == Metric::step_time;
  for (int decade = -6; decade <= 6; ++decade) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double v = digit * std::pow(10, decade);
      if (v < low || v > high) continue;
      const std::string label = times ? fmt::format("{:g}", 1e3 * v) : fmt::format("{:g}", v);
      svg += fmt::format("<path class=grid d='M{0:.1f} 10V{1}M{2} {3:.1f}H{4}'/>", x(v), side + 10,
                         margin, y(v), side + margin);
      svg +=
          fmt::format("<text x={:.1f} y={} text-anchor=middle>{}</text>", x(v), side + 26, label);
      svg +=
          fmt::format("<text x={} y={:.1f} text-anchor=end>{}</text>", margin - 6, y(v) + 4, label);
    }
  }
  svg += fmt::format("<path class=same d='M{} {}L{} 10'/>", margin, side + 10, side + margin);
  for (const ValidatedRow& r : group.rows) {
    if (r.predicted <= 0) continue;
    svg += fmt::format("<circle cx={:.1f} cy={:.1f} r=4><title>{}</title></circle>", x(r.row.value),
                       y(r.predicted),
                       base::in_html(fmt::format(
                           "{} {} batch {}: measured {}, predicted {}", r.row.mode, model_of(r.row),
                           r.row.batch, shown(r.row, r.row.value), shown(r.row, r.predicted))));
  }
  svg += fmt::format("<text x={} y={} text-anchor=middle>measured, {}</text>", margin + side / 2,
                     side + 44, times ? "ms" : "W");
  svg += fmt::format(
      "<text transform='translate(12 {}) rotate(-90)' text-anchor=middle>predicted, {}"
      "</text></svg>\n",
      side / 2 + 10, times ? "ms" : "W");
  return svg;
}

constexpr const char* style = R"(<style>
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5b6b7b; --line: #d5dde5; --paper: #fff; --dot: #1769aa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e9ef; --soft: #9aa9b8; --line: #34414e; --paper: #161c22; --dot: #6db3f2; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
p { max-width: 46rem } .soft { color: var(--soft) }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th { color: var(--soft); font-weight: 600 } .l { text-align: left }
svg { width: 100%; max-width: 26rem; display: block; margin: 1rem 0 } svg text { font-size: 12px; fill: var(--soft) }
.grid { stroke: var(--line); fill: none } .same { stroke: var(--soft); stroke-dasharray: 5 4; fill: none }
circle { fill: var(--dot); fill-opacity: .7 } summary { cursor: pointer; color: var(--soft) }
</style>
)";

}  // namespace

std::string validation_text(const Validation& validation) {
  std::string text;
  for (const ValidatedGroup& group : validation.groups) {
    Table table(headings());
    for (const ValidatedRow& row : group.rows) table.add(cells_of(row));
    text += fmt::format("{}: {}\n{}", group.device, name_of(group.metric), table.str());
    const auto line = [&](const char* what, const ErrorSummary& s) {
      if (s.rows == 0) return;
      text += fmt::format(
          "Absolute error {} ({} rows): median {:.1f} %, 90th percentile {:.1f} %, worst {:.1f} "
          "%\n",
          what, s.rows, 100 * s.median, 100 * s.p90, 100 * s.worst);
    };
    line("of the device's file", group.predicted);
    line("of models left out of a fit", group.without_model);
    line("of modes left out of a fit", group.without_mode);
    line("of batch sizes left out of a fit", group.without_batch);
    const auto adjusted = std::ranges::count_if(
        group.rows, [](const ValidatedRow& r) { return !r.row.adjusted.empty(); });
    if (adjusted > 0) {
      text += fmt::format(
          "{} of the rows count for another device or mode than they name (--odd)\n", adjusted);
    }
    text += "\n";
  }
  if (!validation.unused.empty()) {
    text += fmt::format("Not compared, {} rows:\n", validation.unused.size());
    for (const std::string& reason : reasons_of(validation)) text += "  " + reason + "\n";
  }
  return text;
}

std::string validation_markdown(const Validation& validation) {
  std::string text =
      "| device | what | mode | precision | batch | rows | predicted | model left out | mode left "
      "out "
      "| batch left out |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& line : summary_of(validation)) {
    text += fmt::format("| {} |\n", fmt::join(line, " | "));
  }
  return text;
}

std::string validation_page(const Validation& validation) {
  std::string text =
      "<!doctype html>\n<html lang=en><meta charset=utf-8>\n"
      "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
      "<title>Convoy: predictions against measurements</title>\n";
  text += style;
  text +=
      "<h1>Predictions against measurements</h1>\n"
      "<p>Measured step times and power draws, and Convoy's predictions. "
      "<b>Predicted</b>: by the device's file, which may have been fitted to the same rows. "
      "<b>Model left out</b>, <b>mode left out</b>: by a fit to the rows of other models, or of "
      "other "
      "power modes; expect such errors where nobody measured. Errors are absolute, relative to the "
      "measured value: median / 90th percentile. Fits of draws use the times and the idle draws of "
      "the device's file.</p>\n";
  text += html_table({"<device", "<what", "<mode", "<precision", "batch", "rows", "predicted",
                      "model left out", "mode left out", "batch left out"},
                     summary_of(validation));
  for (const ValidatedGroup& group : validation.groups) {
    text += fmt::format("<h2>{}: {}</h2>\n", base::in_html(group.device), name_of(group.metric));
    text += chart(group);
    std::vector<std::vector<std::string>> rows;
    std::vector<std::string> remarks;
    for (const ValidatedRow& row : group.rows) {
      rows.push_back(cells_of(row));
      const std::string& why = row.row.adjusted;
      if (!why.empty() && std::find(remarks.begin(), remarks.end(), why) == remarks.end()) {
        remarks.push_back(why);
      }
    }
    for (const std::string& why : remarks) {
      text += "<p class=soft>Some rows count for another device or mode than they name: " +
              base::in_html(why) + ".</p>\n";
    }
    text += html_table(headings(), rows);
  }
  if (!validation.unused.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& row : validation.unused) rows.push_back({row.place, row.what, row.reason});
    text += fmt::format("<h2>Not compared</h2>\n<details><summary>{} rows, and why</summary>\n",
                        rows.size());
    text += html_table({"<row", "<what", "<why not"}, rows) + "</details>\n";
  }
  return text + "</html>\n";
}

}  // namespace convoy::cli
