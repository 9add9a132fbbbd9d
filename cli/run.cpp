// convoy run: simulate a scenario and record it.

#include "sim/run/run.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/progress.hpp"
#include "cli/provenance.hpp"
#include "cli/real_run.hpp"
#include "cli/scenario_arguments.hpp"
#include "cli/serve.hpp"
#include "cli/signals.hpp"
#include "cli/summary.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "sim/run/preflight.hpp"

namespace convoy::cli {
namespace {

struct RunArguments {
  ScenarioArguments scenario;
  std::string folder;
  bool no_store = false;
  bool resume = false;
  bool overwrite = false;
  bool json = false;
  bool quiet = false;
  int workers = 0;
  std::string device = "cpu";
  std::string serve;
  RealArguments real;
};

sim::StoreMode mode_of(const RunArguments& arguments) {
  if (arguments.resume) return sim::StoreMode::resume;
  return arguments.overwrite ? sim::StoreMode::overwrite : sim::StoreMode::create;
}

// Prints notes about a scenario before its run.
void tell_before(const sim::Scenario& scenario) {
  if (scenario.has_sweep) {
    fmt::print(stderr, "convoy: the file has a [sweep]; `run` simulates its base point only\n");
  }
  const sim::Preflight preflight = sim::preflight(scenario);
  for (const std::string& warning : preflight.warnings) {
    fmt::print(stderr, "convoy: warning: {}\n", warning);
  }
  const auto made_up = std::count_if(
      scenario.world.nodes.begin(), scenario.world.nodes.end(),
      [](const auto& node) { return node.behaviour.trace && node.behaviour.trace->synthetic; });
  if (made_up > 0) {
    fmt::print(stderr, "convoy: note: {} nodes follow synthetic traces\n", made_up);
  }
  const auto some = [](const auto& of_device) { return !of_device.second.empty(); };
  if (!scenario.setting->fixed && std::ranges::any_of(scenario.assumed, some)) {
    fmt::print(stderr,
               "convoy: note: some figures of the devices are assumed; `convoy check` "
               "lists them\n");
  }
}

// Prints the results; gives the exit status.
int tell_after(const RunArguments& arguments, const sim::RunResult& result) {
  if (arguments.json) {
    fmt::print("{}\n", summary_json(result));
  } else {
    fmt::print("{} with {}: {}\n{}", result.summary.scenario, result.summary.schedule,
               sim::name_of(result.status), summary_text(result));
  }
  for (const std::string& remark : result.summary.remarks) {
    if (!arguments.quiet) fmt::print(stderr, "convoy: warning: {}\n", base::escaped(remark));
  }
  switch (result.status) {
    case sim::RunStatus::failed:
      fmt::print(stderr, "convoy: the run failed: {}\n", base::escaped(result.cause));
      return ExitStatus::run_failed;
    case sim::RunStatus::stopped:
      fmt::print(stderr, "convoy: stopped by a signal{}\n",
                 arguments.no_store ? "" : "; continue with the same command and --resume");
      return ExitStatus::stopped;
    case sim::RunStatus::running:
    case sim::RunStatus::done:
      break;
  }
  return ExitStatus::done;
}

// Of a replay: that of the recorded run, with its settings.
sim::Scenario scenario_of(const RunArguments& arguments) {
  if (!arguments.real.replay.empty()) {
    return load_recorded(arguments.scenario, arguments.real.replay, arguments.quiet);
  }
  if (arguments.scenario.file.empty()) {
    throw base::UserError("name a scenario file: convoy run scenarios/quickstart.toml");
  }
  return load(arguments.scenario, arguments.quiet);
}

int run(const RunArguments& arguments) {
  sim::Scenario read = scenario_of(arguments);
  sim::require_runnable(read);
  if (!arguments.quiet) tell_before(read);
  stop_on_signals();
  sim::RunOptions options;
  if (!arguments.no_store) {
    options.folder = arguments.folder.empty() ? "runs/" + read.name : arguments.folder;
  }
  options.mode = mode_of(arguments);
  options.version = CONVOY_VERSION;
  if (!options.folder.empty()) options.host = provenance(read.training.learn);
  options.workers = arguments.workers;
  options.device = arguments.device;
  options.interrupted = &interrupted;
  hil::RealSide real = real_side(arguments.real, std::move(read), options, arguments.quiet);
  const sim::Scenario& scenario = real.scenario();
  options.real = real.nodes();
  options.replay_until_s = real.replay_until_s();
  if (interrupted) {
    fmt::print(stderr, "convoy: stopped by a signal before the run began\n");
    return ExitStatus::stopped;
  }
  ProgressDisplay display(arguments.quiet, scenario.output.progress_s);
  std::unique_ptr<LiveView> live;
  if (!arguments.serve.empty()) {
    live = std::make_unique<LiveView>(arguments.serve, scenario, options);
    fmt::print(stderr, "convoy: the run is at {}\n", live->url());
  }
  if (!arguments.quiet) {
    options.estimated = [](const sim::WallEstimate& estimate) {
      fmt::print(stderr, "convoy: wall time: {}\n", estimate_text(estimate));
    };
  }
  options.progress = [&](const sim::Progress& progress) {
    display.show(progress);
    if (live && !progress.training) live->follow(progress);
  };

  spdlog::info("scenario {} (hash {}), {} nodes, store {}", scenario.file, scenario.hash,
               scenario.world.nodes.size() - 1,
               options.folder.empty() ? "none" : options.folder.string());
  const sim::RunResult result = sim::run(scenario, options);
  spdlog::info("ended at {} s virtual, {} s wall: {}", result.summary.virtual_time_s,
               result.summary.wall_time_s, sim::name_of(result.status));
  real.run_is_over(result.status);
  if (live) live->run_is_over();
  display.clear();
  return tell_after(arguments, result);
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("run", "Simulate a scenario and record it");
  auto arguments = std::make_shared<RunArguments>();
  add_scenario_arguments(*verb, arguments->scenario, false);
  verb->add_option("-o,--output", arguments->folder, "Folder of the store (default: runs/NAME)");
  auto* resume = verb->add_flag("--resume", arguments->resume, "Continue an interrupted run");
  verb->add_flag("--overwrite", arguments->overwrite, "Replace an existing run")->excludes(resume);
  verb->add_flag("--no-store", arguments->no_store, "Write no store")->excludes(resume);
  verb->add_option("--workers", arguments->workers,
                   "Threads for learning (default: one per core); does not change results")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--device", arguments->device, "Device that learns: cpu, cuda or cuda:N");
  verb->add_option("--serve", arguments->serve,
                   "ADDRESS:PORT, such as 127.0.0.1:8080: show the run in a browser while it "
                   "runs; other machines need the printed token");
  add_real_arguments(*verb, arguments->real);
  verb->add_flag("--json", arguments->json, "Print the figures as one JSON object");
  verb->add_flag("--quiet", arguments->quiet, "No progress, no warnings");
  add_wide(*verb);
  add_examples(*verb,
               {"convoy run scenarios/quickstart.toml",
                "convoy run scenarios/quickstart.toml -o runs/fedavg --set schedule.kind=fedavg"});
  verb->callback([arguments, &status] { status = run(*arguments); });
}

}  // namespace convoy::cli
