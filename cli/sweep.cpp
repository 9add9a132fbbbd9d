// convoy sweep: all points of a scenario's [sweep], each in a process of its own.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/files.hpp"
#include "cli/scenario_arguments.hpp"
#include "cli/summary.hpp"
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
  bool resume = false;  // is the rule; accepted for those who say it
  bool overwrite = false;
  bool no_store = false;
  bool json = false;
  bool quiet = false;
};

std::atomic<bool> interrupted = false;

// The first signal stops in good order, the second at once.
void on_signal(int signal) {
  if (interrupted.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

// In a point's process: however often it is asked. Who hands out the points ends it, if need be.
void only_note(int) { interrupted = true; }

void take_signals(void (*handler)(int)) {
  std::signal(SIGINT, handler);
  std::signal(SIGTERM, handler);
}

// --- the folder ---------------------------------------------------------------------------------
//
//   sweep.json           the keys and, for each point, their values and its hash
//   results.csv          a row for each point that is finished
//   points/HASH/         summary.json once it is finished, failure.txt where it failed, log.txt,
//                        run.sqlite

struct Point {
  std::vector<std::string> settings;
  std::string hash;
  std::shared_ptr<const sim::Scenario> scenario;  // null: to be read again
};

// Of a point's summary, in results.csv: all but the wall time, which no two runs share.
constexpr std::array result_columns = {
    "schedule",         "seed",         "rounds",   "virtual_time_s", "tasks",
    "tasks_aggregated", "tasks_failed", "samples",  "utilization",    "bytes_down",
    "bytes_up",         "energy_j",     "accuracy", "accuracy_best",  "time_to_accuracy_s",
    "coverage_min",     "untrained"};

class SweepFolder {
 public:
  SweepFolder(fs::path folder, bool with_stores)
      : folder_(std::move(folder)), with_stores_(with_stores) {}

  [[nodiscard]] fs::path of(const Point& point) const { return folder_ / "points" / point.hash; }
  [[nodiscard]] const fs::path& path() const { return folder_; }

  // The figures of a finished point.
  [[nodiscard]] std::optional<ordered_json> summary(const Point& point) const {
    std::ifstream in(of(point) / "summary.json");
    if (!in || (with_stores_ && !fs::exists(of(point) / "run.sqlite"))) return std::nullopt;
    ordered_json json = ordered_json::parse(in, nullptr, false);
    // What is not whole, or of somebody else, is run again.
    if (!json.is_object()) return std::nullopt;
    for (const char* column : result_columns) {
      if (!json.contains(column)) return std::nullopt;
    }
    return json;
  }
  // Why a point failed.
  [[nodiscard]] std::string failure(const Point& point) const {
    std::ifstream in(of(point) / "failure.txt");
    std::string line;
    std::getline(in, line);
    return line;
  }
  // False where not even that can be written.
  bool note_failure(const Point& point, const std::string& cause) const {
    try {
      fs::create_directories(of(point));
      write_output((of(point) / "failure.txt").string(), cause + "\n", true);
      return true;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "convoy: %s\n", e.what());
      return false;
    }
  }

 private:
  fs::path folder_;
  bool with_stores_;
};

// --- one point, in its own process --------------------------------------------------------------

class PointRun {
 public:
  PointRun(const SweepArguments& arguments, const sim::Sweep& sweep, const SweepFolder& folder,
           const std::vector<Point>& points)
      : arguments_(arguments), sweep_(sweep), folder_(folder), points_(points) {}

  int operator()(std::int64_t number) const {
    take_signals(only_note);
    const Point& point = points_[static_cast<std::size_t>(number)];
    const fs::path folder = folder_.of(point);
    fs::create_directories(folder);
    if (std::freopen((folder / "log.txt").c_str(), "w", stderr) == nullptr) return 1;
    fs::remove(folder / "failure.txt");
    std::string cause;
    try {
      const auto scenario = scenario_of(number);
      sim::RunOptions options;
      if (!arguments_.no_store) options.folder = folder;
      options.mode = sim::StoreMode::overwrite;
      options.version = CONVOY_VERSION;
      options.workers = arguments_.workers;
      options.device = arguments_.device;
      options.interrupted = &interrupted;
      options.durable = false;  // a point that is lost is run again
      const sim::RunResult result = sim::run(*scenario, options);
      if (result.status == sim::RunStatus::stopped) return ExitStatus::stopped;
      if (result.status == sim::RunStatus::done) {
        // What says that the point is finished comes last.
        write_output((folder / "summary.json").string(), summary_json(result) + "\n", true);
        return ExitStatus::done;
      }
      cause = result.cause;
    } catch (const std::exception& e) {
      cause = e.what();
    }
    std::fprintf(stderr, "convoy: %s\n", cause.c_str());
    std::replace(cause.begin(), cause.end(), '\n', ' ');
    folder_.note_failure(point, cause);
    return ExitStatus::run_failed;
  }

 private:
  [[nodiscard]] std::shared_ptr<const sim::Scenario> scenario_of(std::int64_t number) const {
    const auto i = static_cast<std::size_t>(number);
    if (points_[i].scenario) return points_[i].scenario;
    base::Diagnostics problems;
    auto scenario = sweep_.scenario(i, problems);
    if (!scenario) throw base::UserError(problems.str());
    return std::make_shared<const sim::Scenario>(std::move(*scenario));
  }

  const SweepArguments& arguments_;
  const sim::Sweep& sweep_;
  const SweepFolder& folder_;
  const std::vector<Point>& points_;
};

// --- progress -----------------------------------------------------------------------------------

class Display {
 public:
  Display(std::size_t all, std::size_t there, bool quiet)
      : all_(all), done_(there), quiet_(quiet), terminal_(::isatty(STDERR_FILENO) != 0) {}

  void began() { ++running_; }
  void ended(bool failed) {
    --running_;
    ++done_;
    ++now_;
    failed_ += failed ? 1 : 0;
  }
  void show(bool last = false) {
    const auto now = std::chrono::steady_clock::now();
    const auto every = std::chrono::milliseconds(terminal_ ? 100 : 5000);
    if (quiet_ || (!last && now < next_)) return;
    next_ = now + every;
    const double passed = std::chrono::duration<double>(now - begun_).count();
    std::string line = fmt::format("sweep: {} of {} points", done_, all_);
    if (running_ > 0) line += fmt::format(", {} running", running_);
    if (failed_ > 0) line += fmt::format(", {} failed", failed_);
    if (now_ > 0 && done_ < all_) {
      const double left = passed / static_cast<double>(now_) * static_cast<double>(all_ - done_);
      line += fmt::format(", about {} left", base::human_seconds(std::ceil(left)));
    }
    if (terminal_) {
      fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
    } else {
      fmt::print(stderr, "convoy: {}\n", line);
    }
    std::fflush(stderr);
  }

 private:
  std::size_t all_;
  std::size_t done_;
  std::size_t now_ = 0;
  std::size_t running_ = 0;
  std::size_t failed_ = 0;
  bool quiet_;
  bool terminal_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_{};
};

// --- results ------------------------------------------------------------------------------------

// Figures of a summary that are compared, with what a table calls them.
struct Figure {
  const char* key;
  const char* heading;
  std::string (*human)(double);
};

const std::vector<Figure>& figures() {
  static const std::vector<Figure> all = {
      {"virtual_time_s", "virtual time", [](double v) { return base::human_seconds(v); }},
      {"utilization", "utilization", [](double v) { return fmt::format("{:.1f} %", 100 * v); }},
      {"energy_j", "energy", [](double v) { return base::human_energy(v); }},
      {"bytes_down", "down", [](double v) { return base::human_bytes(v); }},
      {"bytes_up", "up", [](double v) { return base::human_bytes(v); }},
      {"accuracy", "accuracy", [](double v) { return fmt::format("{:.2f} %", 100 * v); }},
      {"time_to_accuracy_s", "to target", [](double v) { return base::human_seconds(v); }},
  };
  return all;
}

std::string in_csv(std::string text) {
  if (text.find_first_of(",\"\n") == text.npos) return text;
  for (std::size_t at = 0; (at = text.find('"', at)) != text.npos; at += 2) text.insert(at, 1, '"');
  return "\"" + text + "\"";
}

class Results {
 public:
  Results(const sim::Sweep& sweep, const SweepFolder& folder, const std::vector<Point>& points)
      : sweep_(sweep), keys_(sweep.keys()), points_(points) {
    for (const Point& point : points) {
      summaries_.push_back(folder.summary(point));
      failures_.push_back(summaries_.back() ? "" : folder.failure(point));
    }
  }

  [[nodiscard]] std::size_t finished() const {
    return static_cast<std::size_t>(std::count_if(summaries_.begin(), summaries_.end(),
                                                  [](const auto& s) { return s.has_value(); }));
  }
  [[nodiscard]] std::size_t failed() const {
    return static_cast<std::size_t>(std::count_if(failures_.begin(), failures_.end(),
                                                  [](const auto& f) { return !f.empty(); }));
  }

  [[nodiscard]] std::string csv() const {
    std::string text = "point,hash";
    for (const std::string& key : keys_) text += "," + in_csv(key);
    for (const char* column : result_columns) text += fmt::format(",result.{}", column);
    text += "\n";
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (!summaries_[i]) continue;
      text += fmt::format("{},{}", i, points_[i].hash);
      for (const std::string& value : points_[i].settings) text += "," + in_csv(value);
      for (const char* column : result_columns) {
        const ordered_json& v = (*summaries_[i])[column];
        text += "," + (v.is_null() ? "" : in_csv(v.is_string() ? v.get<std::string>() : v.dump()));
      }
      text += "\n";
    }
    return text;
  }

  [[nodiscard]] std::string json(const std::string& status) const {
    ordered_json all = {
        {"scenario", sweep_.base().name}, {"status", status},       {"keys", keys_},
        {"points", points_.size()},       {"finished", finished()}, {"failed", failed()}};
    all["results"] = ordered_json::array();
    for (std::size_t i = 0; i < points_.size(); ++i) {
      ordered_json one = {{"point", i}, {"hash", points_[i].hash}};
      for (std::size_t k = 0; k < keys_.size(); ++k)
        one["settings"][keys_[k]] = points_[i].settings[k];
      if (summaries_[i]) {
        one["summary"] = *summaries_[i];
      } else {
        one["summary"] = nullptr;
        one["cause"] = failures_[i];
      }
      all["results"].push_back(std::move(one));
    }
    return all.dump(2, ' ', false, ordered_json::error_handler_t::replace);
  }

  // A row for all points that differ in their seed alone: the median, and how far they lie apart.
  [[nodiscard]] std::string table() const {
    std::vector<std::size_t> shown;  // keys that are not the seed
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      if (keys_[k] != "seed") shown.push_back(k);
    }
    std::vector<std::vector<std::string>> order;
    std::map<std::vector<std::string>, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      std::vector<std::string> settings;
      settings.reserve(shown.size());
      for (const std::size_t k : shown) settings.push_back(points_[i].settings[k]);
      auto& group = groups[settings];
      if (group.empty()) order.push_back(settings);
      group.push_back(i);
    }
    std::vector<const Figure*> present;
    for (const Figure& f : figures()) {
      const bool any = std::any_of(summaries_.begin(), summaries_.end(),
                                   [&](const auto& s) { return s && !(*s)[f.key].is_null(); });
      if (any) present.push_back(&f);
    }
    std::vector<std::string> headings;
    headings.reserve(shown.size() + present.size() + 1);
    for (const std::size_t k : shown) headings.push_back("<" + keys_[k]);
    headings.emplace_back("runs");
    for (const Figure* f : present) headings.emplace_back(f->heading);
    Table table(headings);
    for (const auto& settings : order) {
      std::vector<std::string> row = settings;
      const auto& group = groups.at(settings);
      std::size_t runs = 0;
      std::size_t failures = 0;
      for (const std::size_t i : group) {
        runs += summaries_[i] ? 1 : 0;
        failures += failures_[i].empty() ? 0 : 1;
      }
      row.push_back(failures > 0 ? fmt::format("{} ({} failed)", runs, failures)
                                 : fmt::format("{}", runs));
      for (const Figure* f : present) row.push_back(cell(*f, group));
      table.add(std::move(row));
    }
    return table.str();
  }

  void print_failures() const {
    constexpr std::size_t most = 20;
    std::size_t said = 0;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (failures_[i].empty()) continue;
      if (++said > most) continue;
      std::string where;
      for (std::size_t k = 0; k < keys_.size(); ++k) {
        where +=
            fmt::format("{}{} = {}", where.empty() ? "" : ", ", keys_[k], points_[i].settings[k]);
      }
      fmt::print(stderr, "convoy: point {} ({}) failed: {}; points/{}/log.txt\n", i, where,
                 base::printable(failures_[i], 300), points_[i].hash);
    }
    if (said > most) fmt::print(stderr, "convoy: ... and {} more\n", said - most);
  }

 private:
  [[nodiscard]] std::string cell(const Figure& f, const std::vector<std::size_t>& group) const {
    std::vector<double> values;
    for (const std::size_t i : group) {
      if (summaries_[i] && (*summaries_[i])[f.key].is_number()) {
        values.push_back((*summaries_[i])[f.key].get<double>());
      }
    }
    if (values.empty()) return "";
    std::sort(values.begin(), values.end());
    const std::size_t n = values.size();
    const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    if (n == 1 || values.back() == values.front()) return f.human(median);
    return fmt::format("{} [{} .. {}]", f.human(median), f.human(values.front()),
                       f.human(values.back()));
  }

  const sim::Sweep& sweep_;
  std::vector<std::string> keys_;
  const std::vector<Point>& points_;
  std::vector<std::optional<ordered_json>> summaries_;
  std::vector<std::string> failures_;
};

// --- all of it ----------------------------------------------------------------------------------

sim::Sweep read_sweep(const SweepArguments& arguments) {
  base::Diagnostics problems;
  std::vector<sim::Override> overrides;
  for (const std::string& text : arguments.scenario.sets) {
    overrides.push_back(sim::parse_override(text));
  }
  auto sweep = sim::Sweep::read(arguments.scenario.file, overrides, problems);
  if (!sweep) {
    throw base::UserError(fmt::format("{}nothing was run", problems.str()));
  }
  if (!arguments.quiet) fmt::print(stderr, "{}", problems.str());
  return std::move(*sweep);
}

// Everything that is wrong with any point, before the first is run.
std::vector<Point> read_points(const sim::Sweep& sweep, bool& any_learns) {
  constexpr std::size_t most_points = 1'000'000;
  if (sweep.size() > most_points) {
    throw base::UserError(fmt::format("sweep: {} points; at most {}", sweep.size(), most_points));
  }
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
    const bool real = std::any_of(scenario->world.nodes.begin(), scenario->world.nodes.end(),
                                  [](const auto& node) { return node.real.has_value(); });
    if (real) {
      throw base::UserError(
          "a sweep has no real nodes; run its points one by one, with convoy run");
    }
    any_learns = any_learns || scenario->training.learn;
    // Another version may give another result.
    const std::string hash = base::content_hash(scenario->hash + " " CONVOY_VERSION);
    Point point{sweep.settings(i), hash, nullptr};
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

void write_index(const sim::Sweep& sweep, const SweepFolder& folder,
                 const std::vector<Point>& points) {
  ordered_json index = {{"scenario", sweep.base().name},
                        {"file", sweep.base().file},
                        {"version", CONVOY_VERSION},
                        {"keys", sweep.keys()}};
  index["points"] = ordered_json::array();
  for (const Point& p : points)
    index["points"].push_back({{"hash", p.hash}, {"settings", p.settings}});
  write_output((folder.path() / "sweep.json").string(),
               index.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n", true);
}

// A folder of something else is not written into, nor is anything in it removed.
void prepare(const SweepArguments& arguments, const SweepFolder& folder) {
  const bool there = fs::exists(folder.path()) && !fs::is_empty(folder.path());
  const bool ours = fs::exists(folder.path() / "sweep.json");
  if (there && !ours) {
    throw base::UserError(folder.path().string() +
                          ": is there already, and is no sweep; give -o another folder");
  }
  if (ours && arguments.overwrite) fs::remove_all(folder.path() / "points");
  fs::create_directories(folder.path());
}

int sweep(SweepArguments arguments) {
  const bool mpi = sim::under_mpi();
  const sim::Sweep sweep = read_sweep(arguments);
  bool any_learns = false;
  const std::vector<Point> points = read_points(sweep, any_learns);
  const SweepFolder folder(
      arguments.folder.empty() ? fs::path("runs/" + sweep.base().name) : fs::path(arguments.folder),
      !arguments.no_store);
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (arguments.jobs == 0) arguments.jobs = mpi ? 1 : cores;
  if (arguments.workers == 0) {
    arguments.workers = std::max(1, cores / (arguments.jobs * sim::ranks_here()));
  }
  if (any_learns) engine::load_library();
  const PointRun run(arguments, sweep, folder, points);
  std::vector<sim::PointWorker> workers;
  const int useful = static_cast<int>(std::min<std::size_t>(points.size(), arguments.jobs));
  workers.reserve(static_cast<std::size_t>(useful));
  for (int i = 0; i < useful; ++i) {
    workers.emplace_back([&run](std::int64_t point) { return run(point); });
  }
  take_signals(on_signal);
  const int rank = mpi ? sim::join_mpi() : 0;
  sim::Dispatch work;
  work.workers = &workers;
  work.interrupted = &interrupted;
  if (rank > 0) {
    sim::dispatch_by_mpi(work);
    return ExitStatus::done;
  }

  prepare(arguments, folder);
  write_index(sweep, folder, points);  // first: what is in the folder from now on is a sweep's
  fs::create_directories(folder.path() / "points");
  std::set<std::string> seen;  // points that are alike are run once
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!seen.insert(points[i].hash).second || folder.summary(points[i])) continue;
    work.points.push_back(static_cast<std::int64_t>(i));
  }
  const std::size_t there = seen.size() - work.points.size();
  if (there > 0 && !arguments.quiet) {
    fmt::print(stderr, "convoy: {} of {} points are finished already in {}\n", there, seen.size(),
               folder.path().string());
  }
  Display display(seen.size(), there, arguments.quiet);
  bool left = false;
  work.began = [&](std::int64_t) { display.began(); };
  work.tick = [&] { display.show(); };
  work.ended = [&](const sim::PointEnd& end) {
    const Point& point = points[static_cast<std::size_t>(end.point)];
    const bool stopped = end.status == ExitStatus::stopped;
    constexpr int by_signal = 128;
    if (end.status > by_signal) {
      folder.note_failure(
          point, fmt::format("its process was ended by signal {}", end.status - by_signal));
    } else if (end.status != ExitStatus::done && !stopped && folder.failure(point).empty()) {
      folder.note_failure(point, "its process could not do its work, nor say why");
    }
    left = left || stopped;
    display.ended(end.status != ExitStatus::done && !stopped);
  };
  if (mpi) {
    sim::dispatch_by_mpi(work);
  } else {
    sim::dispatch(work);
  }
  display.show(true);
  const Results results(sweep, folder, points);
  write_output((folder.path() / "results.csv").string(), results.csv(), true);
  const bool stopped = interrupted || left;
  if (arguments.json) {
    const bool whole = results.finished() == points.size();
    fmt::print("{}\n", results.json(stopped ? "stopped" : whole ? "done" : "failed"));
  } else {
    fmt::print("{}\n{}: all figures in results.csv, each point's run in points/\n", results.table(),
               folder.path().string());
  }
  results.print_failures();
  if (stopped) {
    fmt::print(stderr, "convoy: stopped by a signal; go on with the same command\n");
    return ExitStatus::stopped;
  }
  if (results.failed() == 0 && results.finished() < points.size()) {
    fmt::print(stderr, "convoy: {} points were not run\n", points.size() - results.finished());
  }
  return results.finished() < points.size() ? ExitStatus::run_failed : ExitStatus::done;
}

}  // namespace

void add_sweep(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "sweep", "Run all points of a scenario's [sweep]; again on the same folder it goes on");
  auto arguments = std::make_shared<SweepArguments>();
  add_scenario_arguments(*verb, arguments->scenario);
  verb->add_option("-o,--output", arguments->folder, "Folder of the sweep (default: runs/NAME)");
  verb->add_option("-j,--jobs", arguments->jobs,
                   "Points at a time (default: one for each core; under mpirun, of each rank: 1)")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--workers", arguments->workers,
                   "Threads that learn, of each point (default: the cores over the points)")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--device", arguments->device, "What learns: cpu, cuda or cuda:N");
  auto* resume = verb->add_flag("--resume", arguments->resume,
                                "Go on where points are finished already; the rule, said aloud");
  verb->add_flag("--overwrite", arguments->overwrite, "Run finished points again")
      ->excludes(resume);
  verb->add_flag("--no-store", arguments->no_store, "Keep each point's figures, not its run");
  verb->add_flag("--json", arguments->json, "Print all results as one JSON object");
  verb->add_flag("--quiet", arguments->quiet, "No progress, no warnings");
  verb->callback([arguments, &status] { status = sweep(*arguments); });
}

}  // namespace convoy::cli
