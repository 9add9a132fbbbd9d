// A comparison as a LaTeX table.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "cli/comparison_table.hpp"
#include "cli/metric_text.hpp"

namespace convoy::cli {
namespace {

std::string in_latex(const std::string& text) {
  return base::replaced(text, {{'\\', "\\textbackslash{}"},
                               {'{', "\\{"},
                               {'}', "\\}"},
                               {'$', "\\$"},
                               {'&', "\\&"},
                               {'#', "\\#"},
                               {'%', "\\%"},
                               {'_', "\\_"},
                               {'^', "\\textasciicircum{}"},
                               {'~', "\\textasciitilde{}"},
                               {'<', "\\textless{}"},
                               {'>', "\\textgreater{}"}});
}

// A unit that suits all values of a column.
struct Scale {
  std::string unit;  // in LaTeX; "" for counts
  double one = 1;    // in the metric's own unit
};

Scale scale_for(analysis::Unit unit, double largest) {
  const auto fitting = [largest](const std::vector<Scale>& scales) {
    Scale fits = scales.front();
    for (const Scale& scale : scales) {
      if (largest >= scale.one) fits = scale;
    }
    return fits;
  };
  constexpr double minute = 60;
  constexpr double hour = 3600;
  constexpr double kibi = 1024;
  switch (unit) {
    case analysis::Unit::seconds:
      if (largest >= 2 * hour) return {"h", hour};
      if (largest >= 10 * minute) return {"min", minute};
      return fitting({{"ms", 1e-3}, {"s", 1}});
    case analysis::Unit::bytes:
      return fitting({{"B", 1},
                      {"KiB", kibi},
                      {"MiB", kibi * kibi},
                      {"GiB", kibi * kibi * kibi},
                      {"TiB", kibi * kibi * kibi * kibi}});
    case analysis::Unit::joules:
      return fitting({{"J", 1}, {"kJ", 1e3}, {"MJ", 1e6}, {"GJ", 1e9}});
    case analysis::Unit::joule_seconds:
      return fitting({{"J\\,s", 1}, {"kJ\\,s", 1e3}, {"MJ\\,s", 1e6}, {"GJ\\,s", 1e9}});
    case analysis::Unit::samples_per_joule:
      return {"1/J", 1};
    case analysis::Unit::share:
      return {"\\%", 0.01};
    case analysis::Unit::count:
      return {"", 1};
  }
  return {};
}

// Sample standard deviation; nothing below two values.
std::optional<double> deviation(const std::vector<double>& values, double mean) {
  if (values.size() < 2) return std::nullopt;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// The fewest decimals that give the largest value three digits and tell different means apart.
int decimals_of(const std::vector<double>& means) {
  constexpr int most = 6;
  const double largest = means.empty() ? 0 : std::ranges::max(means);
  const std::set<double> different(means.begin(), means.end());
  int decimals = largest >= 100 ? 0 : largest >= 10 ? 1 : 2;
  for (; decimals < most; ++decimals) {
    std::set<std::string> texts;
    for (const double mean : different) texts.insert(fmt::format("{:.{}f}", mean, decimals));
    if (texts.size() == different.size()) break;
  }
  return decimals;
}

// A heading in lines of a few words.
std::vector<std::string> heading_lines(const std::string& title, const std::string& unit) {
  constexpr std::size_t width = 10;
  std::vector<std::string> lines = {""};
  std::string rest = title;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    std::string word = rest.substr(0, end);
    rest.erase(0, end + 1);
    if (rest.starts_with("%")) {  // "80 %" stays together
      word += " %";
      rest.erase(0, 2);
    }
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width)
      lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  for (std::string& line : lines) line = in_latex(line);
  if (!unit.empty()) lines.push_back("(" + unit + ")");
  return lines;
}

struct Column {
  std::vector<std::string> heading;
  std::vector<std::string> cells;  // by group
};

Column column_of(const analysis::ComparedMetric& compared) {
  double largest = 0;
  for (const analysis::GroupValues& group : compared.groups) {
    if (group.mean) largest = std::max(largest, std::abs(*group.mean));
  }
  const Scale scale = scale_for(compared.metric.unit, largest);
  std::vector<double> means;
  for (const analysis::GroupValues& group : compared.groups) {
    if (group.mean) means.push_back(*group.mean / scale.one);
  }
  bool whole = compared.metric.unit == analysis::Unit::count;
  for (const double mean : means) whole = whole && mean == std::floor(mean);
  const int decimals = whole ? 0 : decimals_of(means);
  Column column{heading_lines(compared.metric.title, scale.unit), {}};
  for (const analysis::GroupValues& group : compared.groups) {
    if (!group.mean) {
      column.cells.emplace_back("--");
      continue;
    }
    const std::vector<double> values = known(group.values);
    std::string cell = fmt::format("{:.{}f}", *group.mean / scale.one, decimals);
    if (const auto spread = deviation(values, *group.mean); spread && *spread > 0) {
      cell += fmt::format(" $\\pm$ {:.{}f}", *spread / scale.one, decimals);
    }
    if (values.size() < group.values.size()) {
      cell += fmt::format(" ({}/{})", values.size(), group.values.size());
    }
    column.cells.push_back(std::move(cell));
  }
  return column;
}

}  // namespace

std::string comparison_latex(const analysis::Comparison& comparison, bool labels_are_latex) {
  std::vector<Column> columns;
  std::size_t lines = 0;
  for (const analysis::ComparedMetric& compared : comparison.metrics) {
    columns.push_back(column_of(compared));
    lines = std::max(lines, columns.back().heading.size());
  }
  std::string text = "% needs \\usepackage{booktabs}\n";
  if (comparison.has_several_seeds()) {
    text +=
        "% mean $\\pm$ sample standard deviation over seeds; (k/n): only k of n runs got there\n";
  }
  for (const analysis::ReachedLevel& reached : comparison.levels) {
    const bool shown = std::ranges::any_of(comparison.metrics, [&](const auto& compared) {
      return compared.metric.target == reached.level.accuracy;
    });
    if (!shown) continue;
    text += fmt::format("% to {}: {}; {} of {} runs reach it\n", percent(reached.level),
                        reached.level.from, reached.runs, comparison.runs);
  }
  text += fmt::format("\\begin{{tabular}}{{l{}}}\n\\toprule\n", std::string(columns.size(), 'r'));
  for (std::size_t line = 0; line < lines; ++line) {
    for (const Column& column : columns) {
      // The last lines stand side by side.
      const std::size_t above = lines - column.heading.size();
      text += " & " + (line < above ? "" : column.heading[line - above]);
    }
    text += " \\\\\n";
  }
  text += "\\midrule\n";
  for (std::size_t g = 0; g < comparison.groups.size(); ++g) {
    const std::string& label = comparison.groups[g].label;
    text += labels_are_latex ? label : in_latex(label);
    for (const Column& column : columns) text += " & " + column.cells[g];
    text += " \\\\\n";
  }
  text += "\\bottomrule\n";
  for (const std::string& note : comparison.notes) {
    text += fmt::format("\\multicolumn{{{}}}{{l}}{{\\footnotesize {}}} \\\\\n", columns.size() + 1,
                        in_latex(note));
  }
  return text + "\\end{tabular}\n";
}

}  // namespace convoy::cli
