// convoy compare: runs and sweeps side by side, with accuracy over virtual time; where a run is
// measured, the errors of the simulation.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "analysis/json.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/comparison_table.hpp"
#include "cli/fidelity_table.hpp"
#include "cli/figure_text.hpp"
#include "cli/plot.hpp"
#include "cli/run_folders.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace convoy::cli {
namespace {

using analysis::Comparison;
using analysis::Fidelity;
using analysis::Json;
using analysis::RunSummary;

struct CompareArguments {
  std::vector<std::string> folders;
  std::string baseline;
  std::optional<double> target;
  bool json = false;
  bool csv = false;
  bool latex = false;
};

// A row per run with all figures, named as in the comparison.
std::string runs_table(const std::vector<RunSummary>& runs, const analysis::Cases& cases) {
  std::vector<std::size_t> figures;
  for (std::size_t f = 0; f < cases.figures.size(); ++f) {
    // Other figures are in the comparison below and in --json.
    const std::string& key = cases.figures[f].key;
    const bool shown = key != "accuracy_area_common" && key != "bytes_to_accuracy" &&
                       key != "energy_to_accuracy_j";
    const bool any = std::any_of(cases.all.begin(), cases.all.end(),
                                 [f](const analysis::Case& one) { return one.values[f]; });
    if (shown && any) figures.push_back(f);
  }
  std::vector<std::string> headings = {"<run", "<schedule", "<status"};
  for (const std::size_t f : figures) headings.push_back(cases.figures[f].title);
  Table table(headings);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::vector<std::string> row = {runs[i].folder, runs[i].run.run.schedule,
                                    sim::name_of(runs[i].run.status)};
    for (const std::size_t f : figures) {
      const auto& value = cases.all[i].values[f];
      row.push_back(value ? human(cases.figures[f].unit, *value) : "");
    }
    table.add(std::move(row));
  }
  return table.str();
}

std::string accuracy_plot(const std::vector<RunSummary>& runs) {
  std::vector<Series> series;
  for (const RunSummary& run : runs) {
    Series s{fmt::format("{} ({})", run.folder, run.run.run.schedule), {}};
    for (const analysis::CurvePoint& p : run.curve) s.points.emplace_back(p.time_s, p.accuracy);
    series.push_back(std::move(s));
  }
  return plot_accuracy(series);
}

Json run_json(const RunSummary& run) {
  Json points = Json::array();
  for (const analysis::CurvePoint& p : run.curve) {
    points.push_back({{"time_s", p.time_s},
                      {"version", p.version},
                      {"accuracy", p.accuracy},
                      {"bytes", analysis::optional_json(p.bytes)},
                      {"energy_j", analysis::optional_json(p.energy_j)},
                      {"energy_server_j", analysis::optional_json(p.energy_server_j)},
                      {"samples", p.samples}});
  }
  const analysis::RunFigures& f = run.figures;
  return {{"run", run.folder},
          {"scenario", run.run.run.name},
          {"schedule", run.run.run.schedule},
          {"seed", run.run.run.seed},
          {"status", sim::name_of(run.run.status)},
          {"virtual_time_s", f.virtual_time_s},
          {"updates", f.tasks},
          {"samples", f.samples},
          {"bytes", f.bytes_down + f.bytes_up},
          {"energy_j", analysis::optional_json(f.energy_j)},
          {"energy_server_j", analysis::optional_json(f.energy_server_j)},
          {"utilization", analysis::optional_json(f.utilization)},
          {"peak_memory_bytes", analysis::optional_json(f.peak_memory_bytes)},
          {"curve", points}};
}

// Prints the form requested.
void print(const CompareArguments& arguments, const Comparison& comparison,
           const std::vector<RunSummary>& runs, const std::vector<Fidelity>& fidelity,
           const std::string& text) {
  if (arguments.json) {
    Json all = {{"runs", Json::array()}};
    for (const RunSummary& run : runs) all["runs"].push_back(run_json(run));
    all["comparison"] = to_json(comparison);
    all["fidelity"] = to_json(fidelity);
    fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  } else if (arguments.csv) {
    fmt::print("{}", base::escaped(comparison_csv(comparison)));
  } else if (arguments.latex) {
    fmt::print("{}", base::escaped(comparison_latex(comparison)));
  } else {
    fmt::print("{}", base::escaped(text));  // names may come from foreign stores
  }
}

int compare_sweeps(const CompareArguments& arguments, const RunFolders& folders) {
  if (!folders.runs.empty()) {
    throw base::UserError(
        folders.runs.front() +
        ": is a run, but other folders are sweeps; compare only runs or only sweeps");
  }
  std::vector<analysis::SweepResults> sweeps;
  for (const std::string& folder : folders.sweeps) {
    sweeps.push_back(analysis::read_sweep(sim::SweepFolder(folder)));
  }
  const analysis::Cases cases = analysis::cases_of(std::move(sweeps), arguments.target);
  if (cases.all.empty()) {
    throw base::UserError(folders.sweeps.front() +
                          ": has no finished point; run `convoy sweep` on it again");
  }
  const Comparison comparison = analysis::compare(cases, arguments.baseline);
  print(arguments, comparison, {}, {}, comparison_text(comparison));
  return ExitStatus::done;
}

int compare_runs(const CompareArguments& arguments, const RunFolders& folders) {
  std::vector<RunSummary> runs;
  for (const std::string& folder : folders.runs) runs.push_back(analysis::read_summary(folder));
  const analysis::Cases cases = analysis::cases_of(runs, arguments.target);
  const Comparison comparison = analysis::compare(cases, arguments.baseline);
  const std::vector<Fidelity> fidelity =
      analysis::read_fidelity({folders.runs.begin(), folders.runs.end()});
  std::string text = runs_table(runs, cases);
  if (comparison.groups.size() > 1) {
    text += "\n" + comparison_text(comparison);
  } else {
    text += level_text(comparison);
  }
  for (const Fidelity& f : fidelity) text += "\n" + fidelity_text(f);
  const std::string plot = accuracy_plot(runs);
  if (!plot.empty()) text += "\n" + plot;
  print(arguments, comparison, runs, fidelity, text);
  for (const RunSummary& run : runs) {
    const analysis::RunFigures& f = run.figures;
    if (f.tasks_failed <= f.tasks) continue;
    fmt::print(stderr,
               "convoy: warning: {}: most of the work was lost: {} of {} node updates "
               "failed or were cancelled\n",
               base::escaped(run.folder), f.tasks_failed, f.tasks + f.tasks_failed);
  }
  return ExitStatus::done;
}

int compare(const CompareArguments& arguments) {
  const RunFolders folders = sort_out(arguments.folders);
  return folders.sweeps.empty() ? compare_runs(arguments, folders)
                                : compare_sweeps(arguments, folders);
}

}  // namespace

void add_compare(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("compare",
                                  "Compare runs or sweeps with a baseline; show accuracy over "
                                  "virtual time, and the errors of a "
                                  "simulation if a run was measured on devices");
  auto arguments = std::make_shared<CompareArguments>();
  verb->add_option("run", arguments->folders, "Folders of runs, or folders of sweeps")->required();
  verb->add_option(
      "--baseline", arguments->baseline,
      "Group, run or schedule with which the others are compared (default: the first)");
  add_target(*verb, arguments->target);
  auto* json = verb->add_flag("--json", arguments->json, "Print figures, curves, errors as JSON");
  auto* csv = verb->add_flag("--csv", arguments->csv, "Print the comparison as CSV");
  auto* latex = verb->add_flag("--latex", arguments->latex, "Print it as a LaTeX table (booktabs)");
  json->excludes(csv)->excludes(latex);
  csv->excludes(latex);
  verb->callback([arguments, &status] { status = compare(*arguments); });
}

}  // namespace convoy::cli
