#include "bench/split.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "bench/report.hpp"
#include "sim/run/run.hpp"

namespace convoy::bench {
namespace {

constexpr double server_bps = 1e9;

// One task at a time for each node.
class Split : public sim::Schedule {
 public:
  explicit Split(const SplitPattern& pattern)
      : pattern_(pattern), rounds_left_(static_cast<std::size_t>(pattern.nodes), pattern.rounds) {
    for (sim::NodeId node = 1; node <= pattern.nodes; ++node) graphs_.push_back(graph(node));
  }

  sim::Orders on(const sim::Event& event) override {
    sim::Orders orders;
    if (event.kind == sim::EventKind::run_started) {
      for (sim::NodeId node = 1; node <= pattern_.nodes; ++node) give(node, orders);
    }
    if (event.kind == sim::EventKind::task_done) {
      give(event.node, orders);
      if (++done_ == pattern_.nodes * pattern_.rounds) orders.emplace_back(sim::Finish{});
    }
    return orders;
  }
  [[nodiscard]] std::vector<sim::PlannedTask> plan() const override {
    std::vector<sim::PlannedTask> plan;
    for (sim::NodeId node = 1; node <= pattern_.nodes; ++node) {
      plan.push_back({node, "split", graph_of(node), {sim::server_node, node}});
    }
    return plan;
  }

 private:
  [[nodiscard]] const std::shared_ptr<const sim::TaskGraph>& graph_of(sim::NodeId node) const {
    return graphs_[static_cast<std::size_t>(node - 1)];
  }

  void give(sim::NodeId node, sim::Orders& orders) {
    if (--rounds_left_[static_cast<std::size_t>(node - 1)] < 0) return;
    orders.emplace_back(sim::Assign{.task = next_++,
                                    .graph = graph_of(node),
                                    .members = {sim::server_node, node},
                                    .worker = 1,
                                    .label = "split"});
  }

  // Times differ from node to node, so that instants are not shared.
  [[nodiscard]] std::shared_ptr<const sim::TaskGraph> graph(sim::NodeId node) const {
    const double slower = 1 + 0.01 * node;
    const double share = pattern_.shares ? 1.0 / pattern_.nodes : 0;
    auto made =
        std::make_shared<sim::TaskGraph>(2, static_cast<std::size_t>(5 * pattern_.batches + 4));
    const auto move = [&](const char* label, int artifact, int to) {
      const int there = made->transfer(label, artifact, to);
      if (pattern_.shares) made->limit(there, share * server_bps / 8);
      return there;
    };
    const int part = move("download", made->artifact("part", 1e6, 0), 1);
    made->hold(part, 1e7);
    int before = part;
    for (int batch = 0; batch < pattern_.batches; ++batch) {
      const int stash =
          made->compute({.label = "forward", .at = 1, .seconds = 0.01 * slower, .flops = 1e9},
                        {before}, {"activation", 1e5});
      made->hold(stash, 1e6);
      const int there = move("activations", stash, 0);
      const int gradient =
          made->compute({.label = "server", .seconds = 1e-3 * slower, .share = share, .flops = 1e9},
                        {there}, {"gradient", 1e5});
      made->hold(gradient, 1e6);
      const int back = move("gradients", gradient, 1);
      before = made->compute({.label = "backward", .at = 1, .seconds = 0.02, .flops = 2e9},
                             {back, stash}, {"part", 1e6});
    }
    move("upload", before, 0);
    return made;
  }

  SplitPattern pattern_;
  std::vector<std::shared_ptr<const sim::TaskGraph>> graphs_;  // by node, without the server
  std::vector<int> rounds_left_;
  sim::TaskId next_ = 0;
  int done_ = 0;
};

sim::Scenario scenario_of(const SplitPattern& p) {
  const std::string text = fmt::format(
      "name = \"split\"\n[fleet]\nserver = {{ concurrent_computes = 0, link = {{ duplex = "
      "\"full\", down_bps = {0}, up_bps = {0} }} }}\n[[fleet.nodes]]\ndevice = "
      "\"jetson-agx-orin-64gb\"\nname = \"n\"\ncount = {1}\nsamples = 1\nlink = {{ duplex = "
      "\"full\", down_bps = 1e8, up_bps = 1e8, latency_s = 1e-3 }}\n[model]\narchitecture = "
      "\"mlp\"\n[schedule]\nkind = \"fedavg\"\n[stop]\nrounds = 1\n[output]\nrecord = \"task\"\n",
      p.shares ? server_bps : 1e15, p.nodes);
  base::Diagnostics problems;
  auto scenario = sim::read_scenario_text(text, "split.toml", {}, problems);
  if (!scenario) throw std::runtime_error(problems.str());
  scenario->schedule = {"split", [p](const auto&) { return std::make_unique<Split>(p); }, {}};
  return *std::move(scenario);
}

std::string scenario_of_kind(const std::string& kind) {
  std::string text =
      "name = \"split\"\n[fleet]\nserver = { link = \"gigabit\", concurrent_computes = 0 }\n";
  for (const char* device :
       {"jetson-nano", "jetson-tx2", "jetson-xavier-nx-8gb", "jetson-orin-nano-8gb"}) {
    text += fmt::format("[[fleet.nodes]]\ndevice = \"{}\"\ncount = 4\nlink = \"wifi5\"\n", device);
  }
  // 200 batches for each node in each round.
  return text + fmt::format(
                    "[model]\narchitecture = \"resnet18\"\nclasses = 10\nexits = [1.0]\n[data]\n"
                    "samples = 51200\n[training]\nlearn = false\nbatch = 16\n[schedule]\nkind = "
                    "\"{}\"\n[stop]\nrounds = 5\n[output]\nrecord = \"task\"\n",
                    kind);
}

// A schedule, with a count of the activities of the tasks that it assigns.
class Counting : public sim::Schedule {
 public:
  Counting(std::unique_ptr<sim::Schedule> counted, std::int64_t& activities)
      : counted_(std::move(counted)), activities_(activities) {}
  sim::Orders on(const sim::Event& event) override {
    sim::Orders orders = counted_->on(event);
    for (const sim::Order& order : orders) {
      const auto* assign = std::get_if<sim::Assign>(&order);
      if (assign == nullptr) continue;
      const auto each = static_cast<std::int64_t>(assign->graph->activities().size());
      activities_ += each * assign->graph->repeat();
    }
    return orders;
  }
  [[nodiscard]] std::optional<std::int64_t> max_staleness() const override {
    return counted_->max_staleness();
  }
  [[nodiscard]] std::vector<sim::PlannedTask> plan() const override { return counted_->plan(); }
  [[nodiscard]] sim::Activity sized(sim::TaskId task, const sim::Activity& expected,
                                    const engine::Submodel& submodel) const override {
    return counted_->sized(task, expected, submodel);
  }

 private:
  std::unique_ptr<sim::Schedule> counted_;
  std::int64_t& activities_;
};

}  // namespace

double run_split(const SplitPattern& pattern, const std::filesystem::path& folder) {
  const sim::Scenario scenario = scenario_of(pattern);
  sim::RunOptions options;
  options.folder = folder;
  options.mode = sim::StoreMode::overwrite;
  const double start = cpu_seconds();
  const sim::RunResult result = sim::run(scenario, options);
  if (result.status != sim::RunStatus::done) throw std::runtime_error(result.cause);
  return cpu_seconds() - start;
}

double run_split_kind(const std::string& kind, const std::filesystem::path& folder) {
  base::Diagnostics problems;
  auto scenario = sim::read_scenario_text(scenario_of_kind(kind), "split.toml", {}, problems);
  if (!scenario) throw std::runtime_error(problems.str());
  std::int64_t activities = 0;
  const auto make = scenario->schedule.make;
  scenario->schedule.make = [&](const auto& setting) {
    return std::make_unique<Counting>(make(setting), activities);
  };
  sim::RunOptions options;
  options.folder = folder;
  options.mode = sim::StoreMode::overwrite;
  const double start = cpu_seconds();
  const sim::RunResult result = sim::run(*scenario, options);
  if (result.status != sim::RunStatus::done) throw std::runtime_error(result.cause);
  return (cpu_seconds() - start) / static_cast<double>(activities) * 1e6;
}

}  // namespace convoy::bench
