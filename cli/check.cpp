// convoy check: the resolved fleet, memory fit, predicted times.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/progress.hpp"
#include "cli/scenario_arguments.hpp"
#include "cli/scenario_text.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/run/preflight.hpp"
#include "sim/run/wall_estimate.hpp"

namespace convoy::cli {
namespace {

using base::human_bytes;
using base::human_seconds;

constexpr std::size_t rows_shown = 64;

void print_fleet(const sim::Scenario& scenario) {
  Table table({"<node", "<device", "<mode", "<link", "samples", "batch"});
  const auto& nodes = scenario.world.nodes;
  const std::size_t shown = std::min(nodes.size(), rows_shown + 1);
  for (std::size_t i = 0; i < shown; ++i) {
    const sim::NodeIdentity& identity = scenario.identities[i];
    const sim::NodeSetting& setting = scenario.setting->nodes[i];
    table.add({nodes[i].name.of(static_cast<sim::NodeId>(i)), identity.device, identity.mode,
               identity.link, i == 0 ? "" : fmt::format("{}", setting.samples),
               i == 0 ? "" : fmt::format("{}", setting.batch)});
  }
  fmt::print("\nFleet: {} nodes and a server\n{}", nodes.size() - 1, table.str());
  if (shown < nodes.size()) fmt::print("  ... and {} more\n", nodes.size() - shown);
}

void print_forecasts(const sim::Scenario& scenario, const sim::Preflight& preflight) {
  Table table(
      {"<node", "<task", "rate", "blocks", "memory", "<of", "download", "compute", "upload"});
  const std::size_t shown = std::min(preflight.forecasts.size(), 2 * rows_shown);
  for (std::size_t i = 0; i < shown; ++i) {
    const sim::Forecast& f = preflight.forecasts[i];
    const bool server = f.node == sim::server_node;
    table.add({scenario.world.nodes[f.node].name.of(f.node), f.label, fmt::format("{}", f.rate),
               server ? "" : fmt::format("{}/{}", f.depth, preflight.blocks),
               human_bytes(f.memory_bytes),
               human_bytes(f.available_bytes) + (f.fits() ? "" : ": does NOT fit"),
               human_seconds(f.download_s), human_seconds(f.compute_s), human_seconds(f.upload_s)});
  }
  fmt::print("\nPre-flight: a task of each node, alone on its links\n{}", table.str());
  if (shown < preflight.forecasts.size()) {
    fmt::print("  ... and {} more\n", preflight.forecasts.size() - shown);
  }
}

// Prints the number of samples per class for each node.
void print_partition(const sim::Scenario& scenario) {
  if (!scenario.source) return;
  const engine::DataShape& shape = scenario.source->shape();
  const std::vector<int>& labels = scenario.source->labels();
  constexpr int classes_shown = 20;
  const int classes = std::min(shape.classes, classes_shown);
  std::vector<std::string> header = {"<node", "train", "test"};
  for (int c = 0; c < classes; ++c) header.push_back(fmt::format("{}", c));
  Table table(header);
  std::vector<std::vector<std::int64_t>> parts;
  for (const engine::LocalSplit& split : scenario.parts) {
    parts.push_back(split.train);
    parts.back().insert(parts.back().end(), split.test.begin(), split.test.end());
  }
  const auto counts = engine::class_counts(parts, labels, shape.classes);
  const std::size_t shown = std::min(parts.size(), rows_shown + 1);
  for (std::size_t i = 1; i < shown; ++i) {
    std::vector<std::string> row = {scenario.world.nodes[i].name.of(static_cast<sim::NodeId>(i)),
                                    fmt::format("{}", scenario.parts[i].train.size()),
                                    fmt::format("{}", scenario.parts[i].test.size())};
    for (int c = 0; c < classes; ++c) {
      row.push_back(fmt::format("{}", counts[i][static_cast<std::size_t>(c)]));
    }
    table.add(std::move(row));
  }
  fmt::print("\nData: {}, {} training and {} test samples, {} classes; by node and class\n{}",
             base::escaped(scenario.data.source), labels.size(), scenario.source->test_size(),
             shape.classes, table.str());
  if (shown < parts.size()) fmt::print("  ... and {} more nodes\n", parts.size() - shown);
  if (classes < shape.classes) fmt::print("  ... and {} more classes\n", shape.classes - classes);
}

// In lines of the width of tables.
void print_note(const std::string& text) {
  constexpr std::size_t width = 100;
  bool first = true;
  for (const std::string& line : base::wrapped(text, width - 2)) {
    fmt::print("{}{}\n", first ? "" : "  ", line);
    first = false;
  }
}

sim::Sweep read_sweep(const ScenarioArguments& arguments) {
  base::Diagnostics problems;
  auto sweep = sim::Sweep::read(arguments.file, overrides_of(arguments), problems);
  if (!sweep) throw base::UserError(problems.str());
  return std::move(*sweep);
}

int check(const ScenarioArguments& arguments) {
  const sim::Scenario scenario = load(arguments);
  const sim::Preflight preflight = sim::preflight(scenario);
  fmt::print("{}: {} with {}, seed {}\n", scenario.name, scenario.schedule.kind,
             scenario.setting->architecture->name, scenario.seed);
  fmt::print("Model: {} parameters, {:.3g} GFLOP forward a sample, {} blocks, {} exits\n",
             base::human_count(preflight.parameters), preflight.forward_flops / 1e9,
             preflight.blocks, scenario.setting->architecture->exits.size());
  if (scenario.setting->learned_as) {
    fmt::print("Learned is {}; times, memory, bytes and energy are those of {}.\n",
               scenario.setting->learned_as->name, scenario.setting->architecture->name);
  }
  fmt::print("{}", goals_text(scenario));
  if (scenario.setting->fixed) {
    fmt::print("The cost of a task is given (training.fixed_cost), not computed from the model.\n");
  }
  print_fleet(scenario);
  fmt::print("{}", world_text(scenario));
  print_note("Network: " + preflight.network);
  print_partition(scenario);
  print_forecasts(scenario, preflight);
  for (const std::string& warning : preflight.warnings) print_note("warning: " + warning);
  for (const auto& [device, figures] : scenario.assumed) {
    if (figures.empty() || scenario.setting->fixed) continue;
    print_note(fmt::format("note: assumed, not measured, in the profile of {}: {}", device,
                           fmt::join(figures, ", ")));
  }
  sim::require_runnable(scenario);
  if (scenario.training.learn && !sim::any_real(scenario)) {
    // Also checks that a file of weights fits the model; only the engine can read it.
    const auto schedule = scenario.schedule.make(scenario.setting);
    const auto engine = sim::open_engine(scenario, *schedule, "cpu");
    [[maybe_unused]] const auto weights = engine->initial(scenario.initial_weights);
    const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    if (const auto estimate = sim::estimate_wall_time(scenario, *schedule, *engine, cores)) {
      fmt::print("Wall time: {}\n", estimate_text(*estimate));
    }
  }
  const auto real =
      std::ranges::count(scenario.identities, sim::Backend::hil, &sim::NodeIdentity::backend);
  if (real > 0) {
    fmt::print(
        "note: {} of the nodes are real (backend = \"hil\"): `convoy run` needs --listen or "
        "--testbed, so that their agents can connect\n",
        real);
  }
  if (scenario.has_sweep) fmt::print("{}", sweep_text(read_sweep(arguments)));
  return ExitStatus::done;
}

}  // namespace

void add_check(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("check",
                                  "Validate a scenario; show the resolved fleet, whether "
                                  "tasks fit into memory, predicted times");
  auto arguments = std::make_shared<ScenarioArguments>();
  add_scenario_arguments(*verb, *arguments);
  add_wide(*verb);
  add_examples(*verb, {"convoy check scenarios/quickstart.toml",
                       "convoy check scenarios/quickstart.toml --set fleet.nodes.0.count=8"});
  verb->callback([arguments, &status] { status = check(*arguments); });
}

}  // namespace convoy::cli
