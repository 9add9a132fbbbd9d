#include "cli/comparison_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "cli/metric_text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}x", *ratio) : "";
}

// The texts of a row's values, in one form.
std::vector<std::string> texts_of(analysis::Unit unit,
                                  const std::vector<std::optional<double>>& values) {
  const MetricText text(unit, known(values));
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const auto& value : values) texts.push_back(text(value));
  return texts;
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

// The metric's note, and what was learned in place of the model where the metric depends on it.
std::string note_of(const analysis::Metric& metric, const analysis::ComparedGroup& group) {
  if (group.learned_as.empty() || !is_learned(metric)) return metric.note;
  return fmt::format("{}{}learned as {}", metric.note, metric.note.empty() ? "" : "; ",
                     group.learned_as);
}

// A sentence on lines that are indented.
std::string below_table(const std::string& sentence) {
  constexpr std::size_t width = 96;
  std::string text;
  for (const std::string& line : base::wrapped(sentence, width)) {
    text += (text.empty() ? "  " : "    ") + line + "\n";
  }
  return text;
}

}  // namespace

std::string runs_text(const std::vector<analysis::RunSummary>& runs, const analysis::Cases& cases,
                      const analysis::Comparison* ratios) {
  std::vector<std::string> headings = {"<"};
  std::vector<std::vector<std::string>> facts = {{"schedule"}, {"seed"}, {"status"}};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    // A blank in front: a label of "<" is no mark of a text column.
    const std::string& label = ratios != nullptr ? cases.all[i].group : runs[i].label;
    headings.push_back(label.starts_with('<') ? " " + label : label);
    facts[0].push_back(runs[i].run.run.schedule);
    facts[1].push_back(cases.all[i].seed);
    facts[2].emplace_back(sim::name_of(runs[i].run.status));
    if (ratios == nullptr || i == ratios->baseline) continue;
    headings.emplace_back("ratio");
    for (auto& row : facts) row.emplace_back();
  }
  Table table(headings);
  for (auto& row : facts) table.add(std::move(row));
  for (std::size_t m = 0; m < cases.metrics.size(); ++m) {
    const analysis::Metric& metric = cases.metrics[m];
    std::vector<std::optional<double>> values;
    for (const analysis::Case& one : cases.all) {
      const auto found = one.values.find(metric.id());
      values.push_back(found == one.values.end() ? std::nullopt : std::optional(found->second));
    }
    const std::vector<std::string> texts = texts_of(metric.unit, values);
    std::vector<std::string> row = {metric.title};
    for (std::size_t i = 0; i < texts.size(); ++i) {
      row.push_back(texts[i]);
      if (ratios == nullptr || i == ratios->baseline) continue;
      row.push_back(ratio_text(ratios->metrics[m].groups[i].ratio));
    }
    table.add(std::move(row));
  }
  return table.str();
}

std::string comparison_text(const analysis::Comparison& comparison) {
  const bool several = comparison.has_several_seeds();
  std::vector<std::string> headings = {"<metric", "<group",
                                       several ? mean_and_spread_heading : "value", "ratio"};
  if (several) {
    headings.insert(headings.end(), {"difference", "95 % interval", "pairs", "<method"});
  }
  Table table(headings);
  for (const analysis::ComparedMetric& compared : comparison.metrics) {
    const analysis::Unit unit = compared.metric.unit;
    std::vector<std::vector<double>> values;
    for (const analysis::GroupValues& group : compared.groups)
      values.push_back(known(group.values));
    std::vector<std::string> spreads = means_and_spreads(unit, values);
    for (std::size_t g = 0; g < compared.groups.size(); ++g) {
      const analysis::GroupValues& group = compared.groups[g];
      if (group.mean && values[g].size() < group.values.size()) {
        spreads[g] += fmt::format(" ({} of {})", values[g].size(), group.values.size());
      }
      std::vector<std::string> row = {
          g == 0 ? compared.metric.title : "", comparison.groups[g].label, spreads[g],
          g == comparison.baseline ? "baseline" : ratio_text(group.ratio)};
      if (several && group.paired) {
        const analysis::Interval& paired = *group.paired;
        const DifferenceText difference =
            difference_text(unit, paired.mean, paired.low, paired.high);
        row.insert(row.end(), {difference.mean, difference.interval,
                               fmt::format("{}", group.differences.size()), paired.method});
      }
      table.add(std::move(row));
    }
  }
  std::string text =
      fmt::format("Against {}\n{}", comparison.groups[comparison.baseline].label, table.str());
  if (several) {
    text +=
        "  difference: mean over the seeds of both; t: Student's interval; bootstrap: BCa, with "
        "ten\n  seeds or more; --csv and --json list the values of all runs\n";
  }
  return text;
}

std::string levels_text(const analysis::Comparison& comparison) {
  std::string text;
  for (const analysis::ReachedLevel& reached : comparison.levels) {
    text += level_text(reached.level, reached.runs, comparison.runs);
  }
  return text;
}

std::string level_text(const analysis::Level& level, std::size_t reached, std::size_t runs) {
  return below_table(
      fmt::format("to {}: {}; {} of {} runs reach it", percent(level), level.from, reached, runs));
}

std::string notes_text(const std::vector<std::string>& notes) {
  std::string text;
  for (const std::string& note : notes) text += below_table("note: " + note);
  return text;
}

std::string comparison_csv(const analysis::Comparison& comparison) {
  std::string text =
      "figure,unit,group,baseline,runs,mean,ratio,pairs,difference_mean,difference_low,"
      "difference_high,method,points,note,target\n";
  for (const analysis::ComparedMetric& compared : comparison.metrics) {
    for (std::size_t g = 0; g < compared.groups.size(); ++g) {
      const analysis::GroupValues& group = compared.groups[g];
      std::string points;
      for (std::size_t i = 0; i < group.values.size(); ++i) {
        points += fmt::format("{}{}:{}", i == 0 ? "" : " ", comparison.groups[g].seeds[i],
                              number(group.values[i]));
      }
      const analysis::Interval interval = group.paired.value_or(analysis::Interval{});
      text += fmt::format(
          "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", compared.metric.key,
          name_of(analysis::unit_words, compared.metric.unit),
          base::csv_cell(comparison.groups[g].label), g == comparison.baseline ? 1 : 0,
          group.values.size(), number(group.mean), number(group.ratio), group.differences.size(),
          group.paired ? fmt::format("{}", interval.mean) : "", number(interval.low),
          number(interval.high), interval.method, base::csv_cell(points),
          base::csv_cell(note_of(compared.metric, comparison.groups[g])),
          number(compared.metric.target));
    }
  }
  return text;
}

}  // namespace convoy::cli
