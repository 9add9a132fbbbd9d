// How time and memory grow with nodes, flows in flight and tasks, and whose the time is: writes
// bench/scaling.md. Each figure is of a process of its own; times are CPU times of all its threads.
//
//   convoy_scaling_bench FILE.md

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/build.hpp"
#include "bench/child.hpp"
#include "bench/report.hpp"
#include "sim/run/run.hpp"
#include "sim/world/star_network.hpp"
#include "sim/world/world.hpp"

namespace convoy::bench {
namespace {

constexpr const char* kinds_of_links[] = {"wifi5", "wifi6", "lte", "5g"};
constexpr double bytes = 4e6;  // of a download and of an upload

// Nodes on four kinds of links behind a server with 1 Gbit/s.
struct Case {
  std::int64_t nodes = 0;
  std::int64_t at_once = 0;  // tasks under way; 0: all nodes
  std::int64_t tasks = 0;
  double compute_s = 10;
};

sim::Scenario scenario_of(const Case& c) {
  std::string text = "name = \"scaling\"\n[fleet]\nserver = { link = \"gigabit\" }\n";
  for (std::int64_t kind = 0; kind < 4; ++kind) {
    const std::int64_t count = (c.nodes + 3 - kind) / 4;
    if (count == 0) continue;
    text += fmt::format(
        "[[fleet.nodes]]\ndevice = \"jetson-agx-orin-64gb\"\nname = \"{0}\"\ncount = {1}\n"
        "samples = 1\nlink = \"{0}\"\njitter = 0.3\n",
        kinds_of_links[kind], count);
  }
  const bool all = c.at_once == 0;
  text += fmt::format(
      "[model]\narchitecture = \"mlp\"\n[training]\nlearn = false\nfixed_cost = {{ compute_s = {}, "
      "download_bytes = {}, upload_bytes = {} }}\n[schedule]\nkind = \"fedasync\"\n{}[stop]\n"
      "tasks = {}\n[output]\nrecord = \"task\"\n",
      c.compute_s, bytes, bytes,
      all ? "" : fmt::format("[schedule.fedasync]\nat_work = {}\n", c.at_once), c.tasks);
  base::Diagnostics problems;
  auto scenario = sim::read_scenario_text(text, "scaling.toml", {}, problems);
  if (!scenario) throw std::runtime_error(problems.str());
  return *std::move(scenario);
}

double run_cpu_s(const sim::Scenario& scenario, const std::filesystem::path& folder) {
  sim::RunOptions options;
  options.folder = folder;
  options.mode = sim::StoreMode::overwrite;
  const double before = cpu_seconds();
  const sim::RunResult result = sim::run(scenario, options);
  if (result.status != sim::RunStatus::done) throw std::runtime_error(result.cause);
  return cpu_seconds() - before;
}

struct Cost {
  double read_s = 0;  // the scenario
  double run_s = 0;
  double peak_mib = 0;
};

// Two processes: with reading, and without.
Cost cost_of(const Case& c, sim::NetworkSolver solver, const std::filesystem::path& folder) {
  Cost cost;
  const Measured run = in_child([&] {
    sim::Scenario scenario = scenario_of(c);
    scenario.world.solver = solver;
    return run_cpu_s(scenario, folder);
  });
  cost.run_s = run.seconds;
  cost.peak_mib = run.peak_mib;
  cost.read_s = in_child([&] {
                  const double before = cpu_seconds();
                  scenario_of(c);
                  return cpu_seconds() - before;
                }).seconds;
  return cost;
}

// Exponent b of y = a x^b, by least squares of the logarithms.
double exponent(const std::vector<std::pair<double, double>>& points) {
  double x = 0;
  double y = 0;
  for (const auto& [at, value] : points) {
    x += std::log(at) / static_cast<double>(points.size());
    y += std::log(value) / static_cast<double>(points.size());
  }
  double xy = 0;
  double xx = 0;
  for (const auto& [at, value] : points) {
    xy += (std::log(at) - x) * (std::log(value) - y);
    xx += (std::log(at) - x) * (std::log(at) - x);
  }
  return xy / xx;
}

std::string exponent_text(const std::vector<std::pair<double, double>>& points) {
  const bool all_measured =
      std::all_of(points.begin(), points.end(), [](const auto& p) { return p.second > 0; });
  return points.size() < 2 || !all_measured ? "-" : fmt::format("{:.2f}", exponent(points));
}

double available_mib() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  double kib = 0;
  while (info >> key >> kib) {
    if (key == "MemAvailable:") return kib / 1024;
    info.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

class Page {
 public:
  explicit Page(const std::string& path) : path_(path) {}

  void line(const std::string& text) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
    text_ += text + "\n";
  }
  // In lines of at most 120 characters, and an empty one behind.
  void paragraph(const std::string& text) {
    constexpr std::size_t most = 120;
    std::istringstream words(text);
    std::string filled;
    for (std::string word; words >> word;) {
      if (!filled.empty() && filled.size() + 1 + word.size() > most) {
        line(std::exchange(filled, ""));
      }
      filled += (filled.empty() ? "" : " ") + word;
    }
    line(filled + "\n");
  }
  void write() const {
    std::ofstream out(path_);
    out << text_;
    if (!out.flush()) throw std::runtime_error("cannot write " + path_);
  }

 private:
  std::string path_;
  std::string text_;
};

void header(Page& page) {
  utsname system{};
  ::uname(&system);
  page.line("# How time and memory grow\n");
  page.paragraph(fmt::format(
      "Made by `./dev bench scaling` on {:%Y-%m-%d} from commit {}, {}; {}, {} cores, {}. Each "
      "figure is of a process of its own; times are CPU times of all its threads, so they say "
      "little about other machines and more about each other.",
      fmt::gmtime(std::time(nullptr)), base::source_commit(), base::compiler(), base::processor(),
      std::thread::hardware_concurrency(), system.release));
  page.paragraph(
      "The fleet: equal devices on four kinds of links (wifi5, wifi6, lte, 5g) behind a server "
      "with 1 Gbit/s; a task is a download and an upload of 4 MB with a compute of 10 s between; "
      "`fedasync`; store on, `record = \"task\"`. Exponents b are of y = a x^b, by least squares "
      "of the logarithms over the rows shown.");
}

void against_nodes(Page& page, const std::filesystem::path& folder) {
  page.line("## Nodes\n\n100 at work at once, 2,000 tasks.\n");
  page.line("| nodes | read the scenario, s | run, s | peak memory, MiB |\n|---|---|---|---|");
  std::vector<std::pair<double, double>> read;
  std::vector<std::pair<double, double>> run;
  std::vector<std::pair<double, double>> memory;
  std::string skipped;
  for (std::int64_t nodes = 100; nodes <= 1'000'000; nodes *= 10) {
    // From what the size before took.
    const double needed = memory.empty() ? 0 : 12 * memory.back().second;
    if (needed > available_mib()) {
      skipped = fmt::format(
          "{} nodes and more were left out: {} may need {:.0f} MiB, and {:.0f} MiB are free.\n",
          nodes, nodes, needed, available_mib());
      break;
    }
    const Cost cost = cost_of({.nodes = nodes, .at_once = 100, .tasks = 2'000},
                              sim::NetworkSolver::automatic, folder);
    page.line(fmt::format("| {} | {:.3f} | {:.3f} | {:.0f} |", nodes, cost.read_s, cost.run_s,
                          cost.peak_mib));
    const auto at = static_cast<double>(nodes);
    read.emplace_back(at, cost.read_s);
    run.emplace_back(at, cost.run_s);
    memory.emplace_back(at, cost.peak_mib);
  }
  page.line(fmt::format("| exponent | {} | {} | {} |\n", exponent_text(read), exponent_text(run),
                        exponent_text(memory)));
  if (!skipped.empty()) page.paragraph(skipped);
}

// us a task, without the start, at which all nodes begin at once.
double us_a_task(std::int64_t flows, std::int64_t first, std::int64_t more,
                 sim::NetworkSolver solver, const std::filesystem::path& folder, Cost& last) {
  Case c{.nodes = flows, .tasks = first, .compute_s = 0.1};
  const double start = cost_of(c, solver, folder).run_s;
  c.tasks += more;
  last = cost_of(c, solver, folder);
  return std::max(last.run_s - start, 0.0) / static_cast<double>(more) * 1e6;
}

void against_flows(Page& page, const std::filesystem::path& folder) {
  page.line("## Flows in flight\n");
  page.paragraph(
      "As many nodes, all at work, with computes of 0.1 s: nearly all are sending or receiving at "
      "any time.");
  page.line(
      "| flows | star: a task, us | peak memory, MiB | simgrid: a task, us | times |\n"
      "|---|---|---|---|---|");
  std::vector<std::pair<double, double>> star;
  std::vector<std::pair<double, double>> simgrid;
  for (std::int64_t flows = 10; flows <= 10'000; flows *= 10) {
    Cost last;
    const double by_star =
        us_a_task(flows, 2 * flows, 20'000, sim::NetworkSolver::star, folder, last);
    star.emplace_back(flows, by_star);
    // Its time grows with the flows: fewer tasks.
    constexpr std::int64_t most = 1'000;
    if (flows > most) {
      page.line(fmt::format("| {} | {:.1f} | {:.0f} | - | - |", flows, by_star, last.peak_mib));
      continue;
    }
    Cost ignored;
    const double by_simgrid =
        us_a_task(flows, flows / 10 + 1, std::min<std::int64_t>(20'000, 2'000'000 / flows),
                  sim::NetworkSolver::simgrid, folder, ignored);
    simgrid.emplace_back(flows, by_simgrid);
    page.line(fmt::format("| {} | {:.1f} | {:.0f} | {:.1f} | {:.1f} |", flows, by_star,
                          last.peak_mib, by_simgrid,
                          by_star > 0 ? by_simgrid / by_star : 0));
  }
  page.line(
      fmt::format("| exponent | {} | | {} | |\n", exponent_text(star), exponent_text(simgrid)));
  page.paragraph("SimGrid's solver was not run with more flows, for time.");
}

void against_tasks(Page& page, const std::filesystem::path& folder) {
  page.line("## Tasks\n\n1,000 nodes, all at work.\n");
  page.line("| tasks | run, s | peak memory, MiB | store, MiB |\n|---|---|---|---|");
  std::vector<std::pair<double, double>> time;
  std::vector<std::pair<double, double>> memory;
  std::vector<std::pair<double, double>> store;
  for (std::int64_t tasks = 1'000; tasks <= 1'000'000; tasks *= 10) {
    const Cost cost =
        cost_of({.nodes = 1'000, .tasks = tasks}, sim::NetworkSolver::automatic, folder);
    const double mib =
        static_cast<double>(std::filesystem::file_size(folder / "run.sqlite")) / (1 << 20);
    page.line(
        fmt::format("| {} | {:.3f} | {:.0f} | {:.1f} |", tasks, cost.run_s, cost.peak_mib, mib));
    const auto at = static_cast<double>(tasks);
    time.emplace_back(at, cost.run_s);
    memory.emplace_back(at, cost.peak_mib);
    store.emplace_back(at, mib);
  }
  page.line(fmt::format("| exponent | {} | {} | {} |\n", exponent_text(time), exponent_text(memory),
                        exponent_text(store)));
}

// --- whose the time is --------------------------------------------------------------------------

// Gives each node task after task: the world, without a schedule, a run's books and a store.
class TaskAfterTask : public sim::WorldListener {
 public:
  TaskAfterTask(const Case& c) : left_(c.tasks), graph_(std::make_shared<sim::TaskGraph>(2)) {
    const int model = graph_->transfer("download", graph_->artifact("model", bytes, 0), 1);
    const int update = graph_->compute({.label = "train", .at = 1, .seconds = c.compute_s}, {model},
                                       {"update", bytes});
    graph_->transfer("upload", update, 0);
  }
  double run_cpu_s(const sim::WorldConfig& config) {
    const double before = cpu_seconds();
    sim::World world(config, *this);
    world_ = &world;
    nodes_ = static_cast<sim::NodeId>(config.nodes.size());
    world.run();
    return cpu_seconds() - before;
  }
  void on_instant(std::span<const sim::Event> events) override {
    for (const sim::Event& event : events) {
      if (event.kind == sim::EventKind::run_started) {
        for (sim::NodeId node = 1; node < nodes_; ++node) give(node);
      } else if (event.kind == sim::EventKind::task_done) {
        if (--left_ == 0) world_->stop();
        if (left_ > 0) give(event.node);
      }
    }
  }
  void on_activity(const sim::ActivityRecord& /*record*/) override {}

 private:
  void give(sim::NodeId node) { world_->start(next_++, graph_, {0, node}, false, 1); }

  std::int64_t left_;
  std::shared_ptr<sim::TaskGraph> graph_;
  sim::World* world_ = nullptr;
  sim::NodeId nodes_ = 0;
  sim::TaskId next_ = 0;
};

// The rates alone: as many flows, half of them in each direction; who ends begins anew.
double solver_cpu_s(const Case& c, const sim::WorldConfig& config) {
  sim::StarNetwork network;
  const double gigabit = 1e9 / 8;
  const int shared[] = {network.add_shared_link(gigabit), network.add_shared_link(gigabit)};
  std::vector<std::size_t> owner;  // by flow
  std::vector<std::vector<int>> path(config.nodes.size());
  const double before = cpu_seconds();
  const auto begin = [&](double now, std::size_t node) {
    const sim::StarNetwork::Flow flow =
        network.add(now, bytes, 1 / (config.nodes[node].link.latency_s + 1e-3),
                    sim::StarNetwork::unlimited, path[node]);
    if (owner.size() <= flow) owner.resize(flow + 1);
    owner[flow] = node;
  };
  for (std::size_t node = 1; node < config.nodes.size(); ++node) {
    path[node] = {network.add_own_link(config.nodes[node].link.down_bps / 8), shared[node % 2]};
    begin(1e-3 * static_cast<double>(node), node);
  }
  for (std::int64_t ended = 0; ended < 2 * c.tasks;) {
    const double now = network.next_end();
    for (const sim::StarNetwork::Flow flow : network.ending_by(now + 1e-9)) {
      network.remove(now, flow);
      ++ended;
      begin(now, owner[flow]);
    }
  }
  return cpu_seconds() - before;
}

void shares(Page& page, const std::filesystem::path& folder) {
  page.line("## Whose the time is\n");
  page.paragraph(
      "Us a task, by differences: the solver alone, with as many flows "
      "that begin and end; the world alone, less that (clock, timers, lanes, memory, records); a "
      "run without a store, less the world (schedule and the run's books); a run with one, less "
      "that.");
  page.line(
      "| nodes at work | solver | world | schedule and run | store | sum |\n|---|---|---|---|---|"
      "---|");
  for (const std::int64_t nodes : {100, 1'000, 10'000}) {
    const Case c{.nodes = nodes, .tasks = std::max<std::int64_t>(40'000, 4 * nodes)};
    const auto us = [&](double seconds) { return 1e6 * seconds / static_cast<double>(c.tasks); };
    const auto of = [&](const auto& work) {
      return us(in_child([&] { return work(scenario_of(c)); }).seconds);
    };
    const double solver = of([&](const auto& s) { return solver_cpu_s(c, s.world); });
    const double world = of([&](const auto& s) { return TaskAfterTask(c).run_cpu_s(s.world); });
    const double without = of([&](const auto& s) { return run_cpu_s(s, {}); });
    const double with = of([&](const auto& s) { return run_cpu_s(s, folder); });
    const auto part = [&](double value) {
      return fmt::format("{:.1f} ({:.0f} %)", value, 100 * value / with);
    };
    page.line(fmt::format("| {} | {} | {} | {} | {} | {:.1f} |", nodes, part(solver),
                          part(world - solver), part(without - world), part(with - without), with));
  }
}

}  // namespace
}  // namespace convoy::bench

int main(int count, char** arguments) {
  using namespace convoy::bench;
  if (count != 2) {
    fmt::print(stderr, "usage: convoy_scaling_bench FILE.md\n");
    return 2;
  }
  Page page(arguments[1]);
  return run_all("convoy_scaling_bench", [&](const std::filesystem::path& folder) {
    header(page);
    for (const auto part : {against_nodes, against_flows, against_tasks, shares}) {
      part(page, folder / "store");
      page.write();  // a run that is broken off leaves what there is
    }
  });
}
