// Benchmarks of the timing simulation, each against a bare SimGrid program doing the same pattern,
// alternating in one run. Prints measured values beside their bounds; exit status 1 if a bound is
// missed.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench/bare.hpp"
#include "bench/child.hpp"
#include "bench/report.hpp"
#include "bench/split.hpp"
#include "sim/run/run.hpp"

namespace convoy::bench {
namespace {

// The pattern as a scenario: four speed classes, equal bytes for all tasks.
std::string scenario_text(const Pattern& p, const std::string& schedule, const std::string& stop) {
  std::string text = fmt::format(
      "name = \"bench\"\n[fleet]\nserver = {{ link = {{ duplex = \"full\", down_bps = {0}, up_bps "
      "= "
      "{0} }} }}\n",
      p.server_binds ? 1e9 : 1e15);
  for (int speed = 1; speed <= 4; ++speed) {
    text += fmt::format(
        "[[fleet.nodes]]\ndevice = \"jetson-agx-orin-64gb\"\nname = \"n{}\"\ncount = {}\n"
        "samples = 1\nslowdown = {}\nlink = {{ duplex = \"full\", down_bps = 1e8, up_bps = 1e8, "
        "latency_s = 1e-3 }}\n",
        speed, p.nodes / 4, 1.0 / speed);
  }
  return text + fmt::format(
                    "[model]\narchitecture = \"mlp\"\n[training]\nfixed_cost = {{ compute_s = {}, "
                    "download_bytes = {}, upload_bytes = {} }}\n[schedule]\n{}\n[stop]\n{}\n",
                    p.seconds, p.bytes, p.bytes, schedule, stop);
}

double run_convoy(const std::string& text, const std::filesystem::path& folder) {
  base::Diagnostics problems;
  const auto scenario = sim::read_scenario_text(text, "bench.toml", {}, problems);
  if (!scenario) throw std::runtime_error(problems.str());
  sim::RunOptions options;
  options.folder = folder;
  options.mode = sim::StoreMode::overwrite;
  const auto start = std::chrono::steady_clock::now();
  const sim::RunResult result = sim::run(*scenario, options);
  if (result.status != sim::RunStatus::done) throw std::runtime_error(result.cause);
  return seconds_since(start);
}

// Cost of a task (download, compute, upload) at 16 nodes.
void sixteen_nodes(const std::filesystem::path& folder, int repetitions) {
  for (const bool binds : {true, false}) {
    const Pattern pattern{.tasks = 32'000, .server_binds = binds};
    for (const std::string schedule : {"fedavg", "cos2p"}) {
      const std::string text = scenario_text(pattern, fmt::format("kind = \"{}\"", schedule),
                                             fmt::format("tasks = {}", pattern.tasks));
      std::vector<double> bare;
      std::vector<double> off;
      std::vector<double> on;
      for (int i = 0; i < repetitions; ++i) {
        bare.push_back(in_child([&] { return run_bare(pattern); }).seconds);
        off.push_back(in_child([&] { return run_convoy(text, {}); }).seconds);
        on.push_back(in_child([&] { return run_convoy(text, folder); }).seconds);
      }
      const auto us = [&](const std::vector<double>& v) { return median(v) / pattern.tasks * 1e6; };
      fmt::print(
          "16 nodes, {}, server's link {}: bare {:.2f} us, store off {:.2f} us, on {:.2f} us "
          "a task\n",
          schedule, binds ? "binds" : "cannot bind", us(bare), us(off), us(on));
      report("  ratio to bare, store off", us(off) / us(bare), "x", 1.05);
      report("  ratio to bare, store on", us(on) / us(bare), "x", 1.5);
    }
  }
}

// Cost of an activity of split learning.
void split_learning(const std::filesystem::path& folder, int repetitions) {
  for (const bool shares : {true, false}) {
    const SplitPattern pattern{.shares = shares};
    std::vector<double> off;
    std::vector<double> on;
    for (int i = 0; i < repetitions; ++i) {
      off.push_back(in_child([&] { return run_split(pattern, {}); }).seconds);
      on.push_back(in_child([&] { return run_split(pattern, folder); }).seconds);
    }
    const auto us = [&](const std::vector<double>& v) {
      return median(v) / static_cast<double>(pattern.activities()) * 1e6;
    };
    fmt::print("split learning, {} nodes, {} batches each, {}\n", pattern.nodes, pattern.batches,
               shares ? "with shares of the server and of its link" : "without shares");
    report("  an activity, store off, CPU time", us(off), "us", 0);
    report("  an activity, store on (record = \"task\"), CPU time", us(on), "us", 15);
  }
  for (const char* kind : {"splitfed", "edgesplit"}) {
    std::vector<double> off;
    std::vector<double> on;
    for (int i = 0; i < repetitions; ++i) {
      off.push_back(in_child([&] { return run_split_kind(kind, {}); }).seconds);
      on.push_back(in_child([&] { return run_split_kind(kind, folder); }).seconds);
    }
    fmt::print("{}, 16 nodes, 200 batches each\n", kind);
    report("  an activity, store off, CPU time", median(off), "us", 0);
    report("  an activity, store on (record = \"task\"), CPU time", median(on), "us", 15);
  }
}

// 1,000 in flight, 100,000 tasks, and ever more nodes that have nothing to do: the whole command,
// with reading and building.
void many_nodes(const std::filesystem::path& folder) {
  struct Size {
    int nodes;
    double cpu_s;  // bounds
    double mib;
  };
  for (const Size& size : {Size{100'000, 3, 300}, Size{1'000'000, 8, 700}}) {
    for (const bool binds : {false, true}) {
      const Pattern pattern{
          .nodes = size.nodes, .in_flight = 1'000, .tasks = 100'000, .server_binds = binds};
      const std::string file = (folder / "many.toml").string();
      std::ofstream(file) << scenario_text(pattern, "kind = \"fedavg\"\nfedavg.participants = 1000",
                                           "rounds = 100");
      const Measured convoy = command(fmt::format("{} run {} -o {} --overwrite --quiet >/dev/null",
                                                  CONVOY_BINARY, file, (folder / "many").string()));
      fmt::print("{} nodes, 1,000 in flight, 100,000 tasks, server's link {}\n", size.nodes,
                 binds ? "binds" : "cannot bind");
      report("  convoy run, store on, whole command, CPU time", convoy.cpu_s, "s",
             binds ? 0 : size.cpu_s);
      report("  its peak memory", convoy.peak_mib, "MiB", binds ? 0 : size.mib);
      if (size.nodes > 100'000) continue;
      const Measured bare = in_child([&] { return run_bare(pattern); });
      report("  bare: 1,000 actors over the same nodes, without building them", bare.seconds, "s",
             0);
    }
  }
}

void start_up(const std::filesystem::path& folder, int repetitions) {
  std::vector<double> help;
  std::vector<double> run;
  const std::string text = scenario_text({}, "kind = \"fedavg\"", "rounds = 20");
  std::ofstream(folder / "quick.toml") << text;
  for (int i = 0; i < repetitions; ++i) {
    help.push_back(command(fmt::format("{} --help >/dev/null", CONVOY_BINARY)).seconds * 1e3);
    run.push_back(
        command(fmt::format("{} run {} -o {} --overwrite --quiet >/dev/null", CONVOY_BINARY,
                            (folder / "quick.toml").string(), (folder / "quick").string()))
            .seconds);
  }
  report("convoy --help", median(help), "ms", 50);
  report("convoy run, 16 nodes x 20 rounds, store on", median(run), "s", 0.3);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  using namespace convoy::bench;
  return run_all("convoy_bench", [](const std::filesystem::path& folder) {
    start_up(folder, 15);
    sixteen_nodes(folder / "run", 9);
    split_learning(folder / "split", 5);
    many_nodes(folder);
  });
}
