// Benchmarks of the network's solvers: many flows of unequal speed on the server's link. CPU time,
// in children of one program, star and SimGrid in turn.

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/child.hpp"
#include "bench/report.hpp"
#include "sim/run/run.hpp"

namespace convoy::bench {
namespace {

// Nodes on four kinds of links, which differ in rate and latency, behind a server with 1 Gbit/s.
std::string scenario_text(int nodes, const std::string& schedule, const std::string& stop) {
  std::string text = "name = \"network\"\n[fleet]\nserver = { link = \"gigabit\" }\n";
  for (const char* link : {"wifi5", "wifi6", "lte", "5g"}) {
    text += fmt::format(
        "[[fleet.nodes]]\ndevice = \"jetson-agx-orin-64gb\"\nname = \"{0}\"\ncount = {1}\n"
        "samples = 1\nlink = \"{0}\"\njitter = 0.3\n",
        link, nodes / 4);
  }
  return text + fmt::format(
                    "[model]\narchitecture = \"mlp\"\n[training]\nfixed_cost = {{ compute_s = 10, "
                    "download_bytes = 4e6, upload_bytes = 4e6 }}\n[schedule]\nkind = \"{}\"\n"
                    "[stop]\n{}\n[output]\nrecord = \"task\"\n",
                    schedule, stop);
}

double cpu_of(const std::string& text, sim::NetworkSolver solver,
              const std::filesystem::path& folder) {
  return in_child([&] {
           base::Diagnostics problems;
           auto scenario = sim::read_scenario_text(text, "network.toml", {}, problems);
           if (!scenario) throw std::runtime_error(problems.str());
           scenario->world.solver = solver;
           sim::RunOptions options;
           options.folder = folder;
           options.mode = sim::StoreMode::overwrite;
           const double before = cpu_seconds();
           const sim::RunResult result = sim::run(*scenario, options);
           if (result.status != sim::RunStatus::done) throw std::runtime_error(result.cause);
           return cpu_seconds() - before;
         })
      .seconds;
}

// us a task, of tasks `first` to `last`: without the start, at which all nodes begin at once.
double us_a_task(int first, int last, sim::NetworkSolver solver,
                 const std::filesystem::path& folder) {
  const auto cpu = [&](int tasks) {
    return cpu_of(scenario_text(5'000, "fedasync", fmt::format("tasks = {}", tasks)), solver,
                  folder);
  };
  const double until_first = cpu(first);
  return (cpu(last) - until_first) / (last - first) * 1e6;
}

void unequal_flows(const std::filesystem::path& folder) {
  const double star = us_a_task(5'200, 25'200, sim::NetworkSolver::star, folder);
  const double simgrid = us_a_task(100, 600, sim::NetworkSolver::simgrid, folder);
  fmt::print("5,000 flows of four kinds of links on a gigabit link: CPU time, store on\n");
  report("  a task (download, compute, upload), star", star, "us", 60);
  report("  a task, simgrid", simgrid, "us", 0);
  report_at_least("  ratio", simgrid / star, "x", 20);
}

void everybody(const std::filesystem::path& folder) {
  const auto cpu = [&](int rounds) {
    return cpu_of(scenario_text(10'000, "fedavg", fmt::format("rounds = {}", rounds)),
                  sim::NetworkSolver::star, folder);
  };
  const double one = cpu(1);
  fmt::print("10,000 nodes that all take part in each round of fedavg: CPU time, store on\n");
  report("  the first round, with the start", one, "s", 0);
  report("  a round", (cpu(6) - one) / 5, "s", 2);
}

// All of 100,000 nodes at work at any time.
void all_at_work(const std::filesystem::path& folder) {
  const double cpu =
      cpu_of(scenario_text(100'000, "cos2p", "tasks = 200000"), sim::NetworkSolver::star, folder);
  fmt::print("100,000 nodes that are all at work, cos2p, 200,000 tasks: CPU time, store on\n");
  report("  the whole run", cpu, "s", 60);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  return convoy::bench::run_all("convoy_network_bench", [](const std::filesystem::path& folder) {
    convoy::bench::unequal_flows(folder / "store");
    convoy::bench::everybody(folder / "store");
    convoy::bench::all_at_work(folder / "store");
  });
}
