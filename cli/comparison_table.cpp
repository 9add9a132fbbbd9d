#include "cli/comparison_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "cli/figure_text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

using analysis::ComparedFigure;
using analysis::Comparison;
using analysis::GroupFigure;
using analysis::Unit;

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}x", *ratio) : "";
}

std::string interval_text(Unit unit, const GroupFigure& group) {
  if (!group.paired || !group.paired->low) return "";
  return fmt::format("{} .. {}", human_difference(unit, *group.paired->low),
                     human_difference(unit, *group.paired->high));
}

std::string points_text(Unit unit, const GroupFigure& group) {
  std::string text;
  for (const auto& value : group.values) {
    text += (text.empty() ? "" : ", ") + (value ? human(unit, *value) : std::string("none"));
  }
  return text;
}

// "12 s [11 s .. 14 s]"
std::string spread_text(Unit unit, const GroupFigure& group) {
  if (!group.mean) return "";
  std::vector<double> values;
  for (const auto& value : group.values) {
    if (value) values.push_back(*value);
  }
  return mean_and_spread(unit, values);
}

bool has_several_seeds(const Comparison& comparison) {
  return std::any_of(comparison.groups.begin(), comparison.groups.end(),
                     [](const auto& group) { return group.runs.size() > 1; });
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

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

}  // namespace

std::string comparison_text(const Comparison& comparison) {
  const bool several = has_several_seeds(comparison);
  std::vector<std::string> headings = {"<figure", "<group",
                                       several ? mean_and_spread_heading : "value", "ratio"};
  if (several) {
    headings.insert(headings.end(),
                    {"difference", "95 % interval", "pairs", "<method", "<all runs"});
  }
  Table table(headings);
  for (const ComparedFigure& figure : comparison.figures) {
    const Unit unit = figure.name.unit;
    for (std::size_t g = 0; g < figure.groups.size(); ++g) {
      const GroupFigure& group = figure.groups[g];
      std::vector<std::string> row = {
          g == 0 ? figure.name.title : "", comparison.groups[g].label, spread_text(unit, group),
          g == comparison.baseline ? "baseline" : ratio_text(group.ratio)};
      if (several) {
        row.push_back(group.paired ? human_difference(unit, group.paired->mean) : "");
        row.push_back(interval_text(unit, group));
        row.push_back(group.paired ? fmt::format("{}", group.differences.size()) : "");
        row.push_back(group.paired ? group.paired->method : "");
        row.push_back(points_text(unit, group));
      }
      table.add(std::move(row));
    }
  }
  std::string text =
      fmt::format("Against {}\n{}", comparison.groups[comparison.baseline].label, table.str());
  if (several) {
    text +=
        "  difference: mean over the seeds of both; t: Student's interval; bootstrap: BCa, with "
        "ten "
        "seeds or more\n";
  }
  return text + level_text(comparison);
}

std::string level_text(const Comparison& comparison) {
  if (!comparison.level) return "";
  return fmt::format("  to {}: {}; {} of {} runs reach it\n", percent(*comparison.level),
                     comparison.level->from, comparison.reached, comparison.runs);
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text =
      "figure,unit,group,baseline,runs,mean,ratio,pairs,difference_mean,difference_low,"
      "difference_high,method,points,note\n";
  for (const ComparedFigure& figure : comparison.figures) {
    for (std::size_t g = 0; g < figure.groups.size(); ++g) {
      const GroupFigure& group = figure.groups[g];
      std::string points;
      for (std::size_t i = 0; i < group.values.size(); ++i) {
        points += fmt::format("{}{}:{}", i == 0 ? "" : " ", comparison.groups[g].seeds[i],
                              number(group.values[i]));
      }
      const analysis::Interval interval = group.paired.value_or(analysis::Interval{});
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", figure.name.key,
                          name_of(analysis::unit_words, figure.name.unit),
                          base::csv_cell(comparison.groups[g].label),
                          g == comparison.baseline ? 1 : 0, group.values.size(), number(group.mean),
                          number(group.ratio), group.differences.size(),
                          group.paired ? fmt::format("{}", interval.mean) : "",
                          number(interval.low), number(interval.high), interval.method,
                          base::csv_cell(points), base::csv_cell(figure.name.note));
    }
  }
  return text;
}

std::string comparison_latex(const Comparison& comparison) {
  const bool several = has_several_seeds(comparison);
  std::string text = fmt::format(
      "% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{ll{}}}\n\\toprule\n"
      "figure & group & {} & ratio{} \\\\\n",
      several ? "rrrl" : "rr", several ? "mean" : "value",
      several ? " & difference & 95\\,\\% interval" : "");
  for (const ComparedFigure& figure : comparison.figures) {
    text += "\\midrule\n";
    const Unit unit = figure.name.unit;
    for (std::size_t g = 0; g < figure.groups.size(); ++g) {
      const GroupFigure& group = figure.groups[g];
      const bool is_baseline = g == comparison.baseline;
      text += fmt::format(
          "{} & {} & {} & {}", g == 0 ? in_latex(figure.name.title) : "",
          in_latex(comparison.groups[g].label),
          group.mean ? in_latex(human(unit, *group.mean)) : "--",
          is_baseline ? "baseline"
                      : (group.ratio ? fmt::format("{:.2f}$\\times$", *group.ratio) : "--"));
      if (several && group.paired) {
        text += fmt::format(" & {} & {}", in_latex(human_difference(unit, group.paired->mean)),
                            in_latex(interval_text(unit, group)));
        if (group.paired->low) {
          text += fmt::format(" ({}, {} pairs)", group.paired->method, group.differences.size());
        }
      } else if (several) {
        text += " & & ";
      }
      text += " \\\\\n";
    }
  }
  text += "\\bottomrule\n\\end{tabular}\n";
  if (comparison.level) text += "%" + level_text(comparison).substr(1);
  return text;
}

}  // namespace convoy::cli
