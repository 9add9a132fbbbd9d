// convoy compare: runs side by side, with accuracy over virtual time; where a run is measured, the
// errors of the simulation.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "analysis/accuracy.hpp"
#include "base/text.hpp"
#include "cli/fidelity_table.hpp"
#include "cli/plot.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"

namespace convoy::cli {
namespace {

using analysis::Curve;

struct CompareArguments {
  std::vector<std::string> folders;
  bool json = false;
};

std::string percent(std::optional<double> share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "";
}

// The highest accuracy that every run has reached, in whole percent; nothing where some run did
// not learn.
std::optional<double> common_accuracy(const std::vector<Curve>& curves) {
  double common = 1;
  for (const Curve& curve : curves) {
    if (curve.points.empty()) return std::nullopt;
    double best = 0;
    for (const analysis::CurvePoint& p : curve.points) best = std::max(best, p.accuracy);
    common = std::min(common, best);
  }
  constexpr double steps = 100;
  return std::floor(common * steps + 1e-9) / steps;
}

void print_table(const std::vector<Curve>& curves) {
  const std::optional<double> target = common_accuracy(curves);
  double shortest = curves.front().virtual_time_s;
  for (const Curve& c : curves) shortest = std::min(shortest, c.virtual_time_s);
  const bool learned =
      std::any_of(curves.begin(), curves.end(), [](const Curve& c) { return !c.points.empty(); });
  std::vector<std::string> headings = {"<run",         "<schedule",   "<status",
                                       "virtual time", "updates",     "samples",
                                       "bytes",        "utilization", "peak memory"};
  if (learned) {
    headings.insert(headings.end(), {"accuracy", "at " + base::human_seconds(shortest)});
    if (target) headings.push_back("time to " + fmt::format("{:.0f} %", 100 * *target));
  }
  Table table(headings);
  for (const Curve& c : curves) {
    std::vector<std::string> row = {c.folder,
                                    c.run.run.schedule,
                                    sim::name_of(c.run.status),
                                    base::human_seconds(c.virtual_time_s),
                                    fmt::format("{}", c.updates),
                                    base::human_count(c.samples),
                                    base::human_bytes(c.bytes),
                                    percent(c.utilization),
                                    base::human_bytes(c.peak_memory_bytes)};
    if (learned) {
      row.push_back(c.points.empty() ? "" : percent(c.points.back().accuracy));
      row.push_back(percent(analysis::accuracy_at(c, shortest)));
      const auto time = target ? analysis::time_to(c, *target) : std::nullopt;
      if (target) row.push_back(time ? base::human_seconds(*time) : "");
    }
    table.add(std::move(row));
  }
  fmt::print("{}", table.str());
}

// An array of runs; where there is something measured an object of them and of the errors.
void print_json(const std::vector<Curve>& curves, const std::vector<analysis::Fidelity>& fidelity) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Curve& c : curves) {
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (const analysis::CurvePoint& p : c.points) {
      points.push_back({{"time_s", p.time_s},
                        {"version", p.version},
                        {"accuracy", p.accuracy},
                        {"bytes", p.bytes},
                        {"samples", p.samples}});
    }
    all.push_back({{"run", c.folder},
                   {"scenario", c.run.run.name},
                   {"schedule", c.run.run.schedule},
                   {"seed", c.run.run.seed},
                   {"status", sim::name_of(c.run.status)},
                   {"virtual_time_s", c.virtual_time_s},
                   {"updates", c.updates},
                   {"samples", c.samples},
                   {"bytes", c.bytes},
                   {"utilization", c.utilization},
                   {"peak_memory_bytes", c.peak_memory_bytes},
                   {"curve", points}});
  }
  if (!fidelity.empty()) all = {{"runs", std::move(all)}, {"fidelity", fidelity_json(fidelity)}};
  fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

int compare(const CompareArguments& arguments) {
  std::vector<Curve> curves;
  for (const std::string& folder : arguments.folders) {
    curves.push_back(analysis::read_curve(folder));
  }
  const std::vector<analysis::Fidelity> fidelity =
      analysis::read_fidelity({arguments.folders.begin(), arguments.folders.end()});
  if (arguments.json) {
    print_json(curves, fidelity);
    return ExitStatus::done;
  }
  print_table(curves);
  for (const analysis::Fidelity& f : fidelity) fmt::print("\n{}", fidelity_text(f));
  std::vector<Series> series;
  for (const Curve& c : curves) {
    Series s{fmt::format("{} ({})", c.folder, c.run.run.schedule), {}};
    for (const analysis::CurvePoint& p : c.points) s.points.emplace_back(p.time_s, p.accuracy);
    series.push_back(std::move(s));
  }
  const std::string plot = plot_accuracy(series);
  if (!plot.empty()) fmt::print("\n{}", plot);
  return ExitStatus::done;
}

}  // namespace

void add_compare(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("compare",
                                  "Runs side by side; accuracy over virtual time; a simulation's "
                                  "errors where a run is measured");
  auto arguments = std::make_shared<CompareArguments>();
  verb->add_option("run", arguments->folders, "Folders of the runs")->required()->expected(1, 8);
  verb->add_flag("--json", arguments->json, "Print the figures, curves and errors as JSON");
  verb->callback([arguments, &status] { status = compare(*arguments); });
}

}  // namespace convoy::cli
