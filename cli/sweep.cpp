// convoy sweep: all points of a scenario's [sweep], each in a process of its own.

#include "sim/scenario/sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/provenance.hpp"
#include "cli/scenario_arguments.hpp"
#include "cli/serve.hpp"
#include "cli/signals.hpp"
#include "cli/summary.hpp"
#include "cli/sweep_output.hpp"
#include "cli/sweep_progress.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "engine/api/engine.hpp"
#include "sim/run/run.hpp"
#include "sim/sweep/dispatch.hpp"

namespace convoy::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct SweepArguments {
  ScenarioArguments scenario;
  std::string folder;
  int jobs = 0;
  int workers = 0;
  std::string device = "cpu";
  bool resume = false;  // the default; accepted for compatibility
  bool overwrite = false;
  bool no_store = false;
  bool json = false;
  bool quiet = false;
  std::string serve;
};

struct Point : sim::PointIndex {
  std::shared_ptr<const sim::Scenario> scenario;  // null: to be read again
};

// --- one point, in its own process --------------------------------------------------------------

struct PointRun {
  const SweepArguments& arguments;
  const sim::Sweep& sweep;
  const sim::SweepFolder& sweep_folder;
  const std::vector<Point>& points;
  const PointShares& shares;

  int operator()(std::int64_t number) const {
    note_signals();  // the dispatcher ends this process if needed
    const Point& point = points[static_cast<std::size_t>(number)];
    const fs::path folder = sweep_folder.of(point.hash);
    fs::create_directories(folder);
    if (std::freopen((folder / "log.txt").c_str(), "w", stderr) == nullptr) return 1;
    std::string cause;
    try {
      const auto scenario = scenario_of(number);
      sim::RunOptions options;
      if (!arguments.no_store) options.folder = folder;
      options.mode = sim::StoreMode::overwrite;
      options.version = CONVOY_VERSION;
      if (!arguments.no_store) options.host = provenance(scenario->training.learn);
      options.workers = arguments.workers;
      options.device = arguments.device;
      options.interrupted = &interrupted;
      options.progress = [this, number](const sim::Progress& progress) {
        shares.set(static_cast<std::size_t>(number), progress.share);
      };
      options.durable = false;  // a lost point is simply run again
      const sim::RunResult result = sim::run(*scenario, options);
      if (result.status == sim::RunStatus::stopped) return ExitStatus::stopped;
      if (result.status == sim::RunStatus::done) {
        // Written last: this file marks the point as finished.
        base::write_output((folder / "summary.json").string(), summary_json(result, true) + "\n",
                           true, options.durable);
        return ExitStatus::done;
      }
      cause = result.cause;
    } catch (const std::exception& e) {
      cause = e.what();
    }
    std::fprintf(stderr, "convoy: %s\n", base::escaped(cause).c_str());
    std::replace(cause.begin(), cause.end(), '\n', ' ');
    sweep_folder.note_failure(point.hash, cause);
    return ExitStatus::run_failed;
  }

  [[nodiscard]] std::shared_ptr<const sim::Scenario> scenario_of(std::int64_t number) const {
    const auto i = static_cast<std::size_t>(number);
    if (points[i].scenario) {
      sim::require_runnable(*points[i].scenario);
      return points[i].scenario;
    }
    base::Diagnostics problems;
    auto scenario = sweep.scenario(i, problems);
    if (!scenario) throw base::UserError(problems.str());
    sim::require_runnable(*scenario);
    return std::make_shared<const sim::Scenario>(std::move(*scenario));
  }
};

// --- all of it ----------------------------------------------------------------------------------

sim::Sweep read_sweep(const SweepArguments& arguments, base::Diagnostics& problems) {
  auto sweep =
      sim::Sweep::read(arguments.scenario.file, overrides_of(arguments.scenario), problems);
  if (!sweep) throw base::UserError(problems.str() + "nothing was run");
  return std::move(*sweep);
}

// Reports the errors of all points before the first one runs.
std::vector<Point> read_points(const sim::Sweep& sweep, bool& any_learns) {
  constexpr std::size_t most_nodes_kept = 200'000;  // a few hundred MB
  std::size_t nodes_kept = 0;
  std::vector<Point> points;
  for (std::size_t i = 0; i < sweep.size(); ++i) {
    base::Diagnostics problems;
    auto scenario = sweep.scenario(i, problems);
    if (!scenario) {
      throw base::UserError(fmt::format("point {} ({}):\n{}nothing was run", i,
                                        fmt::join(sweep.settings(i), ", "), problems.str()));
    }
    if (sim::any_real(*scenario)) {
      throw base::UserError(
          "a sweep cannot have real nodes; run its points one by one with convoy run");
    }
    any_learns = any_learns || scenario->training.learn;
    // Another version may give other results.
    const std::string hash = base::content_hash(scenario->hash + " " CONVOY_VERSION);
    Point point{{sweep.settings(i), hash}, nullptr};
    nodes_kept += scenario->world.nodes.size();
    for (const auto& node : scenario->world.nodes) {
      if (node.behaviour.trace) nodes_kept += node.behaviour.trace->time.size() / 10;
    }
    if (!scenario->source && nodes_kept < most_nodes_kept) {
      point.scenario = std::make_shared<const sim::Scenario>(std::move(*scenario));
    }
    points.push_back(std::move(point));
  }
  return points;
}

sim::SweepIndex index_of(const sim::Sweep& sweep, const std::vector<Point>& points) {
  return {sweep.base().name,
          sweep.base().file,
          CONVOY_VERSION,
          sweep.keys(),
          {points.begin(), points.end()}};
}

// Refuses a folder whose finished points are of another sweep; says which points are left out if
// only some are.
void refuse_other_settings(const sim::SweepFolder& folder, const sim::SweepIndex& index,
                           bool quiet) {
  const sim::SweepIndex before = folder.index();
  std::set<std::string> hashes;
  for (const sim::PointIndex& point : index.points) hashes.insert(point.hash);
  std::size_t kept = 0;
  std::size_t others = 0;
  for (const sim::PointIndex& point : before.points) {
    if (!folder.summary(point.hash)) continue;
    ++(hashes.contains(point.hash) ? kept : others);
  }
  if (others == 0) return;
  const std::string where = folder.path().string();
  if (kept == 0) {
    const std::string other = before.version == index.version
                                  ? "a sweep with other settings (" + before.scenario + ")"
                                  : "a sweep by convoy " + before.version;
    throw base::UserError(
        fmt::format("{}: holds {} finished points of {}; give -o another folder, or --overwrite to "
                    "remove them",
                    where, others, other));
  }
  if (quiet) return;
  fmt::print(stderr,
             "convoy: note: {}: {} earlier finished points are not part of this sweep; their runs "
             "stay in points/\n",
             base::escaped(where), others);
}

// Refuses folders that are no sweeps, and sweeps with other settings; nothing in them is changed.
void prepare(const SweepArguments& arguments, const sim::SweepFolder& folder,
             const sim::SweepIndex& index) {
  const bool there = fs::exists(folder.path()) && !fs::is_empty(folder.path());
  const bool ours = folder.exists();
  if (there && !ours) {
    throw base::UserError(folder.path().string() +
                          ": exists and is no sweep; give -o another folder");
  }
  if (ours && !arguments.overwrite) refuse_other_settings(folder, index, arguments.quiet);
  if (ours && arguments.overwrite) fs::remove_all(folder.path() / "points");
  fs::create_directories(folder.path());
  folder.write_index(index);  // first: marks the folder as a sweep's
  fs::create_directories(folder.path() / "points");
}

struct Remaining {
  std::vector<std::int64_t> points;
  std::size_t finished = 0;
};

// Equal points are run once.
Remaining what_remains(const std::vector<Point>& points, const sim::SweepFolder& folder) {
  Remaining all;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!seen.insert(points[i].hash).second) continue;
    if (folder.summary(points[i].hash)) {
      ++all.finished;
    } else {
      all.points.push_back(static_cast<std::int64_t>(i));
    }
  }
  return all;
}

// Notes why a point failed, if its process did not.
void note_cause(const sim::SweepFolder& folder, const std::string& hash, int status) {
  constexpr int by_signal = 128;
  if (status > by_signal) {
    folder.note_failure(hash,
                        fmt::format("its process was ended by signal {}", status - by_signal));
  } else if (folder.failure(hash).empty()) {
    folder.note_failure(hash, "its process failed without a message");
  }
}

// Writes and prints the results; gives the exit status. `left`: points were asked to stop.
int conclude(const SweepArguments& arguments, const sim::SweepFolder& folder, std::size_t points,
             bool left, LiveSweepView& live) {
  const analysis::SweepResults results = analysis::read_sweep(folder);
  base::write_output((folder.path() / "results.csv").string(), sweep_csv(results, folder), true);
  const std::size_t finished = results.count(analysis::PointStatus::done);
  const bool stopped = interrupted || left;
  const char* status = stopped ? "stopped" : finished == points ? "done" : "failed";
  live.is_over(status);
  if (arguments.json) {
    fmt::print("{}\n", sweep_json(results, folder, status));
  } else {
    fmt::print("{}\n{}: results.csv has all figures, points/ has the run of each point\n",
               sweep_table(results), folder.path().string());
  }
  print_failures(results);
  if (!arguments.quiet) print_remarks(results, folder);
  if (stopped) {
    fmt::print(stderr, "convoy: stopped; continue with the same command\n");
    return ExitStatus::stopped;
  }
  if (results.count(analysis::PointStatus::failed) == 0 && finished < points) {
    fmt::print(stderr, "convoy: {} points were not run\n", points - finished);
  }
  return finished < points ? ExitStatus::run_failed : ExitStatus::done;
}

// Runs what remains, and tells of it meanwhile; gives the exit status.
int run_points(const SweepArguments& arguments, const sim::SweepFolder& folder,
               const std::vector<Point>& points, const PointShares& shares, sim::Dispatch& work,
               LiveSweepView& live, bool mpi) {
  Remaining remaining = what_remains(points, folder);
  const std::size_t all = remaining.points.size() + remaining.finished;
  if (remaining.finished > 0 && !arguments.quiet) {
    fmt::print(stderr, "convoy: {} of {} points are finished already in {}\n", remaining.finished,
               all, folder.path().string());
  }
  if (remaining.points.empty() && !arguments.serve.empty()) {
    fmt::print(stderr, "convoy: all points are finished; `convoy report {}` shows them\n",
               folder.path().string());
  }
  // What failed runs again: its cause is of the past.
  for (const std::int64_t point : remaining.points) {
    fs::remove(folder.of(points[static_cast<std::size_t>(point)].hash) / "failure.txt");
  }
  SweepProgress display(all, remaining.finished, arguments.quiet, shares);
  if (live.wants_status()) live.follow(display.status());
  bool left = false;
  work.points = std::move(remaining.points);
  work.began = [&](std::int64_t point) { display.began(static_cast<std::size_t>(point)); };
  work.tick = [&] {
    display.show();
    if (live.wants_status()) live.follow(display.status());
  };
  work.ended = [&](const sim::PointEnd& end) {
    const bool stopped = end.status == ExitStatus::stopped;
    const bool failed = end.status != ExitStatus::done && !stopped;
    const auto point = static_cast<std::size_t>(end.point);
    if (failed) note_cause(folder, points[point].hash, end.status);
    left = left || stopped;
    display.ended(point, stopped  ? SweepProgress::End::stopped
                         : failed ? SweepProgress::End::failed
                                  : SweepProgress::End::done);
    live.point_ended();
  };
  if (mpi) {
    sim::dispatch_by_mpi(work);
  } else {
    sim::dispatch(work);
  }
  live.follow(display.status());
  display.show(true);
  return conclude(arguments, folder, points.size(), left, live);
}

int sweep(SweepArguments arguments) {
  const bool mpi = sim::under_mpi();
  base::Diagnostics problems;
  const sim::Sweep sweep = read_sweep(arguments, problems);
  bool any_learns = false;
  const std::vector<Point> points = read_points(sweep, any_learns);
  const sim::SweepFolder folder(
      arguments.folder.empty() ? fs::path("runs/" + sweep.base().name) : fs::path(arguments.folder),
      !arguments.no_store);
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (arguments.jobs == 0) arguments.jobs = mpi ? 1 : cores;
  if (arguments.workers == 0) {
    arguments.workers = std::max(1, cores / (arguments.jobs * sim::ranks_here()));
  }
  if (any_learns) engine::load_library();
  const PointShares shares(points.size());
  const PointRun run{arguments, sweep, folder, points, shares};
  std::vector<sim::PointWorker> workers;
  const int useful = static_cast<int>(std::min<std::size_t>(points.size(), arguments.jobs));
  workers.reserve(static_cast<std::size_t>(useful));
  for (int i = 0; i < useful; ++i) {
    workers.emplace_back([&run](std::int64_t point) { return run(point); });
  }
  stop_on_signals();
  const int rank = mpi ? sim::join_mpi() : 0;
  sim::Dispatch work;
  work.workers = &workers;
  work.interrupted = &interrupted;
  if (rank > 0) {
    sim::dispatch_by_mpi(work);
    return ExitStatus::done;
  }

  if (!arguments.quiet) fmt::print(stderr, "{}", problems.str());
  // First: nothing has been changed if it cannot be shown.
  LiveSweepView live(arguments.serve, folder.path(), !arguments.no_store);
  prepare(arguments, folder, index_of(sweep, points));
  return run_points(arguments, folder, points, shares, work, live, mpi);
}

}  // namespace

void add_sweep(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "sweep",
      "Run all points of a scenario's [sweep]; the same command continues a stopped sweep");
  auto arguments = std::make_shared<SweepArguments>();
  add_scenario_arguments(*verb, arguments->scenario);
  verb->add_option("-o,--output", arguments->folder, "Folder of the sweep (default: runs/NAME)");
  verb->add_option("-j,--jobs", arguments->jobs,
                   "Points at a time (default: one per core; under mpirun 1 per rank)")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--workers", arguments->workers,
                   "Threads for learning in each point (default: cores / points at a time)")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--device", arguments->device, "Device that learns: cpu, cuda or cuda:N");
  auto* resume = verb->add_flag("--resume", arguments->resume,
                                "Keep finished points and run the others (this is the default)");
  verb->add_flag("--overwrite", arguments->overwrite, "Run finished points again")
      ->excludes(resume);
  verb->add_flag("--no-store", arguments->no_store,
                 "Keep only the figures of each point, not its store");
  verb->add_option("--serve", arguments->serve,
                   "ADDRESS:PORT, such as 127.0.0.1:8080: show the sweep in a browser while it "
                   "runs; other machines need the printed token");
  verb->add_flag("--json", arguments->json, "Print all results as one JSON object");
  verb->add_flag("--quiet", arguments->quiet, "No progress, no warnings");
  add_wide(*verb);
  add_examples(*verb, {"convoy sweep scenarios/device-mixes.toml -j 2"});
  verb->callback([arguments, &status] { status = sweep(*arguments); });
}

}  // namespace convoy::cli
