// Tests how well a simulation predicts real agents. `convoy profile` measures this machine; then
// two agents train, each on its own core; a busy process slows one of them. The run is compared
// with the simulation of the same scenario.
//
// A Jetson's cores are independent. Here two logical cores are often halves of one core, so an
// agent is faster while the other waits. Therefore both cores train all the time, during profiling
// and during the run: a simulation at lowest priority (SCHED_IDLE) that trains the same model fills
// the idle time. Exit status 1 if the bound is missed.

#include "analysis/fidelity.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "bench/child.hpp"
#include "bench/report.hpp"

namespace convoy::bench {
namespace {

constexpr int runs = 5;
constexpr int fast_core = 0;
constexpr int slow_core = 1;

constexpr const char* scenario = R"(
name = "fidelity"
seed = 5
[fleet]
server = { link = "gigabit" }
[[fleet.nodes]]
name = "fast"
device = "./this.toml"
[[fleet.nodes]]
name = "slow"
device = "./this.toml"
slowdown = 2
[model]
architecture = "cnn-small"
[data]
source = "glyphs"
samples = 2400
test_samples = 100
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.02, momentum = 0.9 }
local_epochs = 4
batch = 16
[schedule]
kind = "fedavg"
[evaluation]
every = 0
[stop]
rounds = 5
)";

int free_port() {
  boost::asio::io_context io;
  using boost::asio::ip::tcp;
  const tcp::acceptor acceptor(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  return acceptor.local_endpoint().port();
}

class Testbed {
 public:
  explicit Testbed(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::ofstream(in("fidelity.toml")) << scenario;
  }

  [[nodiscard]] std::string in(const std::string& name) const { return (folder_ / name).string(); }

  void profile() const {
    command(fmt::format("taskset -c {} {} profile -o {} --quiet > {}", fast_core, CONVOY_BINARY,
                        in("this.toml"), in("profile.log")));
  }

  // Prints the profile's line about the agents' training step.
  void print_step() const {
    std::ifstream file(in("this.toml"));
    for (std::string line; std::getline(file, line);) {
      if (line.find(" cnn-small, batch 16, sgd ") != line.npos) fmt::print("  profile: {}\n", line);
    }
  }

  void simulate() const {
    command(fmt::format("{} run {} -o {} --quiet > {}", CONVOY_BINARY, in("fidelity.toml"),
                        in("simulated"), in("simulated.log")));
  }

  [[nodiscard]] std::string measure(int run) const {
    const int port = free_port();
    const auto agent = [&](const char* name) {
      return fmt::format("{} --connect 127.0.0.1:{} --name {} --retry-s 0.2 --insecure > {} 2>&1",
                         CONVOY_NODE_BINARY, port, name, in(name) + ".log");
    };
    const Beside fast(agent("fast"), fast_core);
    const Beside slow(agent("slow"), slow_core);
    const Beside neighbour(training(), slow_core);
    std::string store = in(fmt::format("measured-{}", run));
    command(fmt::format(
        "taskset -c {} {} run {} -o {} --quiet --listen 127.0.0.1:{} --insecure "
        "--set fleet.nodes.0.backend=hil --set fleet.nodes.1.backend=hil > {} 2>&1",
        fast_core, CONVOY_BINARY, in("fidelity.toml"), store, port, in("measured.log")));
    return store;
  }

  // A command that trains the same model on one core endlessly.
  [[nodiscard]] std::string training() const {
    return fmt::format(
        "{} run {} --no-store --quiet --workers 1 --set fleet.nodes.0.device=server-generic --set "
        "fleet.nodes.1.device=server-generic --set stop.rounds=1000000 --set "
        "training.optimizer.learning_rate=1e-9 > /dev/null",
        CONVOY_BINARY, in("fidelity.toml"));
  }

 private:
  std::filesystem::path folder_;
};

void fidelity(const std::filesystem::path& folder) {
  const Testbed testbed(folder);
  const std::string when_idle = "chrt --idle 0 " + testbed.training();
  const Beside idle_fast(when_idle, fast_core);
  const Beside idle_slow(when_idle, slow_core);
  fmt::print("Simulation against real agents (measures this machine first: a minute or two)\n");
  std::fflush(stdout);
  testbed.profile();
  testbed.print_step();
  testbed.simulate();
  std::vector<double> errors;
  for (int i = 0; i < runs; ++i) {
    const auto judged =
        analysis::compare_with_measured(testbed.in("simulated"), testbed.measure(i));
    if (!judged.makespan) throw std::runtime_error("no makespan to compare");
    for (const analysis::NodeErrors& node : judged.nodes) {
      if (!node.errors.error || *node.errors.measured_s < 0.01) continue;
      fmt::print("    {:<6} {:<10} predicted {:.3f} s, measured {:.3f} s\n", node.node, node.label,
                 *node.errors.simulated_s, *node.errors.measured_s);
    }
    fmt::print("  5 rounds: predicted {:.2f} s, measured {:.2f} s, error {:+.1f} %\n",
               judged.makespan->simulated_s, judged.makespan->measured_s,
               100 * judged.makespan->error.value_or(0));
    std::fflush(stdout);
    errors.push_back(std::abs(judged.makespan->error.value_or(1)));
  }
  report("makespan of 5 rounds, error of the simulation, median of 5", 100 * median(errors), "%",
         10);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  if (std::thread::hardware_concurrency() < 2) {
    fmt::print("needs two cores; left out\n");
    return 0;
  }
  return convoy::bench::run_all("convoy_fidelity_bench", convoy::bench::fidelity);
}
