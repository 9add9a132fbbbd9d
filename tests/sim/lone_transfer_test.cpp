// Tests the predicted duration of a lone transfer against the simulation: random links, with and
// without shared ones, between any two nodes.

#include "sim/world/lone_transfer.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/each_solver.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

CONVOY_EACH_SOLVER(LoneTransferTimes);

struct Move {
  NodeId from, to;
  double bytes;
  double limit;  // bytes/s; 0: none
};

platforms::Link random_link(base::Random& random) {
  const auto rate = [&] { return std::exp(std::log(1e4) + random.uniform() * std::log(1e6)); };
  platforms::Link link;
  const bool half = random.below(3) == 0;
  link.duplex = half ? platforms::Duplex::half : platforms::Duplex::full;
  link.up_bps = rate();
  link.down_bps = half ? link.up_bps : rate();
  link.latency_s = random.below(4) == 0 ? 0 : random.uniform();
  return link;
}

WorldConfig random_world(NetworkModel model, base::Random& random) {
  WorldConfig config;
  config.network = model;
  config.solver = test::solver_in_use();
  for (int i = 0; i < 4; ++i) {
    config.shared_links.push_back({std::to_string(i), random_link(random), {}});
  }
  for (int i = 0; i < 24; ++i) {
    NodeConfig node;
    node.name = std::to_string(i);
    node.link = random_link(random);
    node.shared_link = static_cast<int>(random.below(5)) - 1;
    config.nodes.push_back(node);
  }
  return config;
}

// One transfer after another; records their durations.
class OneByOne : public WorldListener {
 public:
  OneByOne(const WorldConfig& config, std::vector<Move> moves)
      : moves_(std::move(moves)), world_(config, *this) {
    start();
    world_.run();
  }
  void on_instant(std::span<const Event> happened) override {
    for (const Event& event : happened) {
      if (event.kind == EventKind::task_done) start();
    }
  }
  void on_activity(const ActivityRecord& record) override {
    took.push_back(record.end_s - record.start_s);
  }

  std::vector<double> took;

 private:
  void start() {
    const std::size_t n = started_++;
    if (n >= moves_.size()) return;
    auto graph = std::make_shared<TaskGraph>(2);
    const int there = graph->transfer("move", graph->artifact("thing", moves_[n].bytes, 0), 1);
    if (moves_[n].limit > 0) graph->limit(there, moves_[n].limit);
    world_.start(static_cast<TaskId>(n), graph, {moves_[n].from, moves_[n].to});
  }

  std::vector<Move> moves_;
  std::size_t started_ = 0;
  World world_;
};

void compare(NetworkModel model, std::uint64_t seed) {
  base::Random random({seed});
  const WorldConfig config = random_world(model, random);
  std::vector<Move> moves;
  while (moves.size() < 400) {
    const auto from = static_cast<NodeId>(random.below(config.nodes.size()));
    const auto to = static_cast<NodeId>(random.below(config.nodes.size()));
    if (from == to) continue;
    const double bytes = std::round(std::exp(random.uniform() * std::log(1e9)));
    // Of the size of the links' rates: below and above them.
    const bool limited = random.below(2) == 0;
    const double limit = std::exp(std::log(1e3) + random.uniform() * std::log(1e6));
    moves.push_back({from, to, bytes, limited ? limit : 0});
  }
  const LoneTransfers predicted(config);
  const OneByOne run(config, moves);
  ASSERT_EQ(run.took.size(), moves.size());
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const double expected =
        predicted.seconds(moves[i].from, moves[i].to, moves[i].bytes, moves[i].limit);
    // The tolerance follows the clock, whose value contains all earlier transfers.
    ASSERT_NEAR(run.took[i], expected, 1e-7 + 1e-9 * expected)
        << "seed " << seed << ": " << moves[i].bytes << " bytes from " << moves[i].from << " (via "
        << config.nodes[static_cast<std::size_t>(moves[i].from)].shared_link << ") to "
        << moves[i].to << " (via "
        << config.nodes[static_cast<std::size_t>(moves[i].to)].shared_link << ")";
  }
}

TEST_P(LoneTransferTimes, TakeAsLongAsIsPredictedUnderCm02) { compare(NetworkModel::cm02, 1); }
TEST_P(LoneTransferTimes, TakeAsLongAsIsPredictedUnderLv08) { compare(NetworkModel::lv08, 2); }

}  // namespace
}  // namespace convoy::sim
