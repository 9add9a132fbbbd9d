// convoy compare: runs and sweeps side by side, with accuracy over virtual time; where a run is
// measured, the errors of the simulation.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "analysis/json.hpp"
#include "analysis/winners.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/comparison_table.hpp"
#include "cli/fidelity_table.hpp"
#include "cli/plot.hpp"
#include "cli/run_folders.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "cli/verbs.hpp"
#include "cli/winners_table.hpp"

namespace convoy::cli {
namespace {

using analysis::Comparison;
using analysis::Fidelity;
using analysis::Json;
using analysis::RunSummary;

struct CompareArguments {
  std::vector<std::string> folders;
  ComparisonOptions comparison;
  bool winners = false;
  std::string contest;  // axes of the winners, joined by commas; "": the usual one
  bool json = false;
  bool csv = false;
  bool latex = false;
};

// A line per run; with labels of the groups, each run's is that of its group.
std::string accuracy_plot(const analysis::Cases& cases, bool labelled) {
  std::vector<Series> series;
  for (const analysis::Case& one : cases.all) {
    Series s{labelled ? fmt::format("{} (seed {})", one.group, one.seed)
                      : fmt::format("{} ({})", one.run, one.schedule),
             {}};
    for (const analysis::CurvePoint& p : one.curve) s.points.emplace_back(p.time_s, p.accuracy);
    series.push_back(std::move(s));
  }
  return plot_accuracy(series);
}

// Names the groups and leaves the metrics asked for.
void apply(const CompareArguments& arguments, analysis::Cases& cases) {
  name_groups(cases, arguments.comparison.labels);
  std::vector<std::string> wanted = arguments.comparison.metrics;
  if (wanted.empty() && (arguments.json || arguments.csv)) wanted = {"all"};
  if (wanted.empty() && arguments.latex) {
    // As many as a column of a page takes.
    for (const analysis::Metric& metric : cases.metrics) {
      const bool main =
          cases.levels.empty()
              ? metric.key == "virtual_time_s" || metric.key == "energy_j" || metric.key == "bytes"
              : metric.key == "accuracy" || metric.key == "time_to_accuracy_s" ||
                    metric.key == "energy_to_accuracy_j";
      if (main) wanted.push_back(metric.key);
    }
  }
  cases.metrics = analysis::chosen(cases.metrics, wanted);
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
                      {"samples", p.samples},
                      {"updates", analysis::optional_json(p.updates)},
                      {"loss", analysis::optional_json(p.loss)}});
  }
  const analysis::RunFigures& f = run.figures;
  return {{"run", run.folder},
          {"scenario", run.run.run.name},
          {"schedule", run.run.run.schedule},
          {"learned_as", run.learned_as.empty() ? Json() : Json(run.learned_as)},
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
    fmt::print("{}\n", terminal_json(all));
  } else if (arguments.csv) {
    fmt::print("{}", base::escaped(comparison_csv(comparison)));
  } else if (arguments.latex) {
    fmt::print("{}",
               base::escaped(comparison_latex(comparison, !arguments.comparison.labels.empty())));
  } else {
    fmt::print("{}", base::escaped(text));  // names may come from foreign stores
  }
}

// Who wins in which cell of the sweeps.
int compare_winners(const CompareArguments& arguments, std::vector<analysis::SweepResults> sweeps) {
  if (arguments.latex || !arguments.comparison.baseline.empty() ||
      !arguments.comparison.labels.empty()) {
    throw base::UserError("--winners goes with --csv, --json, --target and --metrics only");
  }
  set_levels(sweeps, arguments.comparison.targets);
  analysis::WinnersChoice choice;
  std::istringstream names(arguments.contest);
  for (std::string name; std::getline(names, name, ',');) choice.contest.push_back(name);
  choice.metrics = arguments.comparison.metrics;
  const analysis::WinnersMap map = winners_of(sweeps, choice);
  if (arguments.json) {
    fmt::print("{}\n", terminal_json(to_json(map)));
  } else {
    fmt::print("{}", base::escaped(arguments.csv ? winners_csv(map) : winners_text(map)));
  }
  return ExitStatus::done;
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
    const std::size_t all = sweeps.back().points.size();
    const std::size_t done = sweeps.back().count(analysis::PointStatus::done);
    if (done == 0 || done == all) continue;
    fmt::print(stderr,
               "convoy: note: {}: {} of {} points are not done, {} of them have failed; the same "
               "`convoy sweep` runs them\n",
               base::escaped(folder), all - done, all,
               sweeps.back().count(analysis::PointStatus::failed));
  }
  if (arguments.winners) return compare_winners(arguments, std::move(sweeps));
  analysis::Cases cases = analysis::cases_of(std::move(sweeps), arguments.comparison.targets);
  if (cases.all.empty()) {
    throw base::UserError(folders.sweeps.front() +
                          ": has no finished point; run `convoy sweep` on it again");
  }
  apply(arguments, cases);
  const Comparison comparison = analysis::compare(cases, arguments.comparison.baseline);
  print(arguments, comparison, {}, {},
        comparison_text(comparison) + levels_text(comparison) + notes_text(comparison.notes));
  return ExitStatus::done;
}

int compare_runs(const CompareArguments& arguments, const RunFolders& folders) {
  std::vector<RunSummary> runs;
  for (const std::string& folder : folders.runs) runs.push_back(analysis::read_summary(folder));
  analysis::Cases cases = analysis::cases_of(runs, arguments.comparison.targets);
  apply(arguments, cases);
  const Comparison comparison = analysis::compare(cases, arguments.comparison.baseline);
  const std::vector<Fidelity> fidelity =
      analysis::read_fidelity({folders.runs.begin(), folders.runs.end()});
  const bool several = comparison.has_several_seeds();
  std::string text = runs_text(runs, cases, several ? nullptr : &comparison);
  if (several) text += "\n" + comparison_text(comparison);
  text += levels_text(comparison) + notes_text(comparison.notes);
  for (const Fidelity& f : fidelity) text += "\n" + fidelity_text(f);
  const std::string plot = accuracy_plot(cases, !arguments.comparison.labels.empty());
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
  if (arguments.winners && folders.sweeps.empty()) {
    throw base::UserError(folders.runs.front() + ": is a run; --winners needs a sweep");
  }
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
  add_comparison_options(*verb, arguments->comparison);
  auto* winners =
      verb->add_option("--winners", arguments->contest,
                       "Of sweeps: who wins in which cell, with what lead; AXIS is the contest, "
                       "several joined by commas (default: schedule.kind)")
          ->expected(0, 1)
          ->type_name("[AXIS]")
          ->check([](const std::string& text) {
            if (text.empty() || !sim::SweepFolder(text).exists()) return std::string();
            return text + " is a sweep, no axis: folders come before --winners";
          });
  auto* json = verb->add_flag("--json", arguments->json, "Print figures, curves, errors as JSON");
  auto* csv = verb->add_flag("--csv", arguments->csv, "Print the comparison as CSV");
  auto* latex = verb->add_flag("--latex", arguments->latex, "Print it as a LaTeX table (booktabs)");
  json->excludes(csv)->excludes(latex);
  csv->excludes(latex);
  add_wide(*verb);
  add_examples(*verb,
               {"convoy compare runs/cos2p runs/fedavg --target 0.8",
                "convoy compare runs/cos2p runs/fedavg --latex --label Co-S2P --label FedAvg",
                "convoy compare runs/device-mixes --winners"});
  verb->callback([arguments, winners, &status] {
    arguments->winners = winners->count() > 0;
    status = compare(*arguments);
  });
}

}  // namespace convoy::cli
