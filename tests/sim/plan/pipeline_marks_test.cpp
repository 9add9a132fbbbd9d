// What planners of pipelines are measured against: exact optima of chains, on vectors of others and
// against every cut; plans by simple rules; and planners on real layer graphs, whose exact optimum
// none may beat.

#include "sim/plan/pipeline_marks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "base/diagnostics.hpp"
#include "sim/plan/asteroid.hpp"
#include "sim/plan/dapple.hpp"
#include "sim/plan/pipedream.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"
#include "tests/sim/plan/pipeline_references.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;

double sum_of(const std::vector<double>& all, LayerRange range) {
  return std::accumulate(all.begin() + range.first, all.begin() + range.last, 0.0);
}

TEST(PipelineMarks, TheOptimumOfBlocksOfEqualTime) {
  const nlohmann::json known = reference("torchgpipe_blockpartition_vectors.json");
  if (known.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  int better = 0;
  for (const nlohmann::json& v : known.at("vectors")) {
    const std::vector<double> costs = v.at("costs");
    const ChainOptimum best = best_chain(
        static_cast<int>(costs.size()), v.at("parts"),
        [&](int, LayerRange range) { return sum_of(costs, range); }, [](int, int) { return 0.0; });
    EXPECT_EQ(best.load, v.at("optimum").get<double>()) << v.dump();
    EXPECT_EQ(best.stages.size(), v.at("parts").get<std::size_t>());
    if (best.load < v.at("max").get<double>()) ++better;  // torchgpipe's own is not optimal
  }
  EXPECT_EQ(known.at("vectors").size(), 40);
  EXPECT_EQ(better, 5);
}

TEST(PipelineMarks, TheOptimumOfFtPipeHdsChains) {
  const nlohmann::json known = reference("ftpipehd_cuts.json");
  if (known.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  for (const nlohmann::json& v : known.at("vectors")) {
    std::vector<double> both = v.at("forward");
    const std::vector<double> backward = v.at("backward");
    for (std::size_t i = 0; i < both.size(); ++i) both[i] += backward[i];
    const std::vector<double> out = v.at("output_bytes");
    const std::vector<double> bandwidth = v.at("bandwidth");
    const std::vector<double> capacity = v.at("capacity");
    const ChainOptimum best = best_chain(
        static_cast<int>(both.size()), static_cast<int>(capacity.size()),
        [&](int stage, LayerRange range) { return capacity[stage] * sum_of(both, range); },
        [&](int stage, int layer) { return 2 * out[layer] / bandwidth[stage]; });
    EXPECT_NEAR(best.load, v.at("optimum").get<double>(), 1e-9) << v.dump();
    EXPECT_LE(best.load, v.at("bottleneck").get<double>() + 1e-9);
  }
  EXPECT_EQ(known.at("vectors").size(), 40);
}

TEST(PipelineMarks, TheOptimumOfAChainIsTheBestOfAllCuts) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    base::Random random({seed, 0x6368ULL});
    const int layers = 1 + static_cast<int>(random.below(8));
    const int stages = 1 + static_cast<int>(random.below(layers));
    std::vector<double> costs;
    std::vector<double> cuts;
    std::vector<double> slow;
    for (int i = 0; i < layers; ++i) {
      costs.push_back(random.uniform());
      cuts.push_back(random.uniform());
      slow.push_back(0.5 + random.uniform());
    }
    const auto load = [&](int stage, LayerRange range) {
      return slow[stage] * sum_of(costs, range);
    };
    const auto cut = [&](int stage, int layer) { return cuts[layer] * slow[stage]; };
    const std::function<double(int, int)> least = [&](int stage, int first) {
      if (stage == stages - 1) return load(stage, {first, layers});
      double best = 1e300;
      for (int last = first + 1; last <= layers - (stages - stage - 1); ++last) {
        best = std::min(best, std::max({load(stage, {first, last}), cut(stage, last - 1),
                                        least(stage + 1, last)}));
      }
      return best;
    };
    const ChainOptimum best = best_chain(layers, stages, load, cut);
    EXPECT_NEAR(best.load, least(0, 0), 1e-12);
    EXPECT_EQ(best.stages.front().first, 0);
    EXPECT_EQ(best.stages.back().last, layers);
  }
  EXPECT_TRUE(best_chain(2, 3, {}, {}).stages.empty());
}

// A layer graph of dnn_partitioning (NeurIPS 2020): what a device of its plans has to do is its
// nodes' time, and for each node whose output crosses into or out of it, that output's time once.
struct Graph {
  struct Node {
    double seconds = 0;
    double bytes = 0;
    int color = 0;
    bool is_backward = false;
  };
  std::map<int, Node> nodes;
  std::vector<std::tuple<int, int, double>> edges;
  double memory = 0;

  explicit Graph(const nlohmann::json& json) : memory(json.at("maxSizePerFPGA")) {
    for (const nlohmann::json& n : json.at("nodes")) {
      nodes[n.at("id")] = {n.at("fpgaLatency"), n.at("size"), n.at("colorClass"),
                           n.at("isBackwardNode") == 1};
    }
    for (const nlohmann::json& e : json.at("edges")) {
      edges.emplace_back(e.at("sourceId"), e.at("destId"), e.at("cost"));
    }
  }

  [[nodiscard]] double load(const std::set<int>& device) const {
    double load = 0;
    for (const int id : device) load += nodes.at(id).seconds;
    std::map<int, double> crossing;
    for (const auto& [from, to, cost] : edges) {
      if (device.contains(from) != device.contains(to)) crossing[from] = cost;
    }
    for (const auto& [id, cost] : crossing) load += cost;
    return load;
  }

  // The forward nodes, each after what it needs, smallest id first; a backward node goes with the
  // forward node of its color.
  [[nodiscard]] std::vector<std::set<int>> chain() const {
    std::map<int, int> needs;
    std::map<int, std::set<int>> of_color;
    for (const auto& [id, node] : nodes) {
      of_color[node.color].insert(id);
      if (!node.is_backward) needs[id] = 0;
    }
    for (const auto& [from, to, cost] : edges) {
      if (needs.contains(from) && needs.contains(to)) ++needs[to];
    }
    std::vector<std::set<int>> chain;
    while (!needs.empty()) {
      const auto next = std::find_if(needs.begin(), needs.end(),
                                     [](const auto& entry) { return entry.second == 0; });
      const int id = next->first;
      needs.erase(next);
      for (const auto& [from, to, cost] : edges) {
        if (from == id && needs.contains(to)) --needs[to];
      }
      chain.push_back(of_color[nodes.at(id).color]);
    }
    return chain;
  }
};

// The chain as costs: no sample more or less, weights too large to be summed over a network.
class ChainCosts : public PipelineCosts {
 public:
  ChainCosts(const Graph& graph, std::vector<std::set<int>> chain) : chain_(std::move(chain)) {
    std::set<int> before;
    seconds_.push_back(0);
    bytes_.push_back(0);
    for (const std::set<int>& layer : chain_) {
      double seconds = seconds_.back();
      double bytes = bytes_.back();
      for (const int id : layer) {
        seconds += graph.nodes.at(id).seconds;
        bytes += graph.nodes.at(id).bytes;
      }
      seconds_.push_back(seconds);
      bytes_.push_back(bytes);
      before.insert(layer.begin(), layer.end());
      std::map<int, double> crossing;
      for (const auto& [from, to, cost] : graph.edges) {
        if (before.contains(from) != before.contains(to)) crossing[from] = cost;
      }
      double cut = 0;
      for (const auto& [id, cost] : crossing) cut += cost;
      cuts_.push_back(cut);
    }
  }

  [[nodiscard]] int layers() const override { return static_cast<int>(chain_.size()); }
  [[nodiscard]] std::string name(int layer) const override { return std::to_string(layer); }
  [[nodiscard]] double forward_s(int, LayerRange r, int) const override {
    return seconds_[r.last] - seconds_[r.first];
  }
  [[nodiscard]] double backward_s(int, LayerRange, int) const override { return 0; }
  [[nodiscard]] double step_s(int, LayerRange) const override { return 0; }
  [[nodiscard]] double forward_bytes(int layer, int) const override { return cuts_[layer]; }
  [[nodiscard]] double backward_bytes(int, int) const override { return 0; }
  [[nodiscard]] double weight_bytes(LayerRange) const override { return 1e12; }
  [[nodiscard]] double memory_bytes(LayerRange r, int, int, int) const override {
    return bytes_[r.last] - bytes_[r.first];
  }
  [[nodiscard]] double stash_bytes(LayerRange, int) const override { return 0; }

  [[nodiscard]] double largest_load(const Graph& graph, const PipelinePlan& plan) const {
    double largest = 0;
    for (const PipelineStage& stage : plan.stages) {
      std::set<int> device;
      for (int layer = stage.layers.first; layer < stage.layers.last; ++layer) {
        device.insert(chain_[layer].begin(), chain_[layer].end());
      }
      largest = std::max(largest, graph.load(device));
    }
    return largest;
  }

 private:
  std::vector<std::set<int>> chain_;
  std::vector<double> seconds_;
  std::vector<double> bytes_;
  std::vector<double> cuts_;
};

TEST(PipelineMarks, NoPlanBeatsTheExactOptimumOfALayerGraph) {
  for (const std::string name : {"bert24_inference", "bert24_training", "gnmt_inference",
                                 "resnet50_inference", "resnet50_training"}) {
    const nlohmann::json json = reference("dnn_partitioning/" + name + ".json");
    const nlohmann::json known = reference("dnn_partitioning/expected_" + name + ".json");
    if (json.is_null() || known.is_null()) GTEST_SKIP() << "shared/data/references is not there";
    const Graph graph(json);
    const double optimum = known.at("maxLoad");
    for (const nlohmann::json& fpga : known.at("fpgas")) {  // the load is counted as they count it
      const std::vector<int> ids = fpga.at("nodes");
      EXPECT_NEAR(graph.load({ids.begin(), ids.end()}), fpga.at("load").get<double>(), 1e-6);
    }
    const ChainCosts costs(graph, graph.chain());
    PipelineProblem problem{.costs = &costs, .microbatch = 1, .microbatches = 1000};
    for (int i = 0; i < 6; ++i) problem.devices.push_back({"fpga", 0, graph.memory});
    problem.bandwidth_bytes_per_s.assign(36, 1);
    const double marked =
        costs.largest_load(graph, plan_largest_step(problem, {}, WindowPolicy::doubled));
    std::cout << name << ": exact " << optimum << ", largest step " << marked;
    const auto check = [&](const std::string& planner, const PipelinePlan& plan) {
      const double load = costs.largest_load(graph, plan);
      std::cout << ", " << planner << " " << load;
      EXPECT_GE(load, optimum * (1 - 1e-9)) << name << " " << planner;
    };
    EXPECT_GE(marked, optimum * (1 - 1e-9));
    check("asteroid", plan_asteroid(problem, {}));
    check("pipedream", plan_pipedream(problem, {}));
    check("with activations", plan_pipedream(problem, {.counts_activations = true}));
    check("dapple", plan_dapple(problem, {}));
    check("gpipe", plan_gpipe(problem));
    check("even", plan_even(problem));
    std::cout << "\n";
  }
}

TEST(PipelineMarks, SimplePlansByHand) {
  LayerCosts costs = random_costs(1, 5, 2);
  costs.forward = {1, 1, 1, 1, 4};
  costs.backward = {1, 1, 1, 1, 4};
  costs.launch.assign(5, 0);
  costs.slowness = {2, 1};
  PipelineProblem problem{.costs = &costs, .microbatch = 3, .microbatches = 8};
  problem.devices = {{"slow", 0}, {"fast", 1}};
  problem.bandwidth_bytes_per_s.assign(4, 1e9);
  const auto ranges = [](const PipelinePlan& plan) {
    std::vector<LayerRange> ranges;
    for (const PipelineStage& stage : plan.stages) ranges.push_back(stage.layers);
    return ranges;
  };
  EXPECT_THAT(ranges(plan_even(problem)), ElementsAre(LayerRange{0, 2}, LayerRange{2, 5}));
  EXPECT_THAT(ranges(plan_gpipe(problem)), ElementsAre(LayerRange{0, 4}, LayerRange{4, 5}));
  EXPECT_EQ(plan_gpipe(problem).stages[1].window, 8);
  EXPECT_EQ(plan_one_device(problem).stages[0].members[0].device, 1);
  const PipelinePlan equal = plan_data_parallel(problem, DataShares::equal);
  EXPECT_THAT(equal.stages[0].members, ElementsAre(StageMember{0, 2}, StageMember{1, 1}));
  const PipelinePlan fair = plan_data_parallel(problem, DataShares::proportional);
  EXPECT_THAT(fair.stages[0].members, ElementsAre(StageMember{0, 1}, StageMember{1, 2}));
  problem.devices[1].memory_bytes = 1;  // now only the slow one holds the model
  EXPECT_EQ(plan_one_device(problem).stages[0].members[0].device, 0);
  problem.devices[0].memory_bytes = 1;
  EXPECT_FALSE(forecast_round(problem, plan_one_device(problem)).fits());
  EXPECT_THROW(plan_data_parallel(problem, DataShares::proportional), base::UserError);
  EXPECT_THROW(plan_largest_step(problem, {}, WindowPolicy::remaining), base::UserError);
  EXPECT_THROW(plan_exhaustive(problem, {}, WindowPolicy::remaining), base::UserError);
}

TEST(PipelineMarks, TheLargestStepIsTheSmallestOfAll) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    base::Random random({seed, 0x6c617267ULL});
    const int devices = 1 + static_cast<int>(random.below(4));
    const LayerCosts costs = random_costs(seed, 1 + static_cast<int>(random.below(7)), devices);
    PipelineProblem problem = random_problem(seed, costs, devices, 1, 50, random.below(2) == 0);
    const auto longest = [&](const PipelinePlan& plan) {
      const PipelineForecast forecast = forecast_round(problem, plan);
      const PipelineStep& step = forecast.steps[forecast.dominant];
      return step.forward_s + step.backward_s;
    };
    PipelinePlan best;
    try {
      best = plan_largest_step(problem, {}, WindowPolicy::remaining);
    } catch (const base::UserError&) {
      std::vector<int> order(problem.devices.size());
      std::iota(order.begin(), order.end(), 0);
      EXPECT_THROW(plan_exhaustive(problem, order, WindowPolicy::remaining), base::UserError);
      continue;
    }
    EXPECT_TRUE(forecast_round(problem, best).fits());
    EXPECT_NO_THROW(check_plan(problem, best));
    // With micro-batches of one sample a group has one device: Asteroid's plans are among them.
    const PipelinePlan other =
        plan_asteroid(problem, {.order = DeviceOrder::given, .window = WindowPolicy::remaining});
    EXPECT_LE(longest(best), longest(other) * (1 + 1e-9)) << seed;
  }
}

}  // namespace
}  // namespace convoy::sim
