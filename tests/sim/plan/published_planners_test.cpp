// The planners of PipeDream and DAPPLE against what their authors' programs answer, and small cases
// by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/diagnostics.hpp"
#include "sim/plan/dapple.hpp"
#include "sim/plan/pipedream.hpp"
#include "tests/sim/plan/pipeline_problems.hpp"
#include "tests/sim/plan/pipeline_references.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;

EvenLayers layers_of(const nlohmann::json& reference) {
  EvenLayers layers;
  double compute = 0;
  double weights = 0;
  for (const nlohmann::json& layer : reference.at("layers")) {
    layers.compute_s.push_back(layer.at("compute_cum_s").get<double>() - compute);
    layers.weight_bytes.push_back(layer.at("parameter_cum_bytes").get<double>() - weights);
    layers.output_bytes.push_back(layer.at("output_activation_bytes"));
    compute = layer.at("compute_cum_s");
    weights = layer.at("parameter_cum_bytes");
  }
  return layers;
}

// The slowest stage of stages that are given.
double minibatch_of(const PipedreamProblem& p, const nlohmann::json& stages) {
  double longest = 0;
  for (const nlohmann::json& stage : stages) {
    const int first = stage.at("first");
    const int last = stage.at("end");
    const double m = stage.at("replicas");
    double compute = 0;
    double weights = 0;
    for (int layer = first; layer < last; ++layer) {
      compute += p.layers.compute_s[layer];
      weights += p.layers.weight_bytes[layer];
    }
    longest =
        std::max(longest, (compute + 4 * (m - 1) * weights / (p.bandwidth_bytes_per_s * m)) / m);
  }
  return longest;
}

TEST(Pipedream, TheAuthorsPlans) {
  int plans = 0;
  int same = 0;
  for (const std::string model : {"alexnet", "vgg16"}) {
    const nlohmann::json known = reference("pipedream/expected/" + model + ".json");
    if (known.is_null()) GTEST_SKIP() << "shared/data/references is not there";
    for (const nlohmann::json& v : known.at("plans")) {
      ASSERT_TRUE(v.at("memory_bytes").is_null());
      const PipedreamProblem p{
          .layers = layers_of(known),
          .machines = v.at("machines"),
          .bandwidth_bytes_per_s = v.at("bandwidth_bytes_per_s"),
          .is_straight = v.at("straight"),
          .counts_activations = !v.at("activation_compression_ratio").is_null()};
      const PipedreamPlan plan = plan_pipedream(p);
      const double known_s = v.at("time_per_minibatch_s");
      EXPECT_NEAR(plan.minibatch_s, known_s, 1e-9 * known_s) << model << v.dump();
      EXPECT_NEAR(plan.single_s, v.at("single_s").get<double>(), 1e-9);
      const double data_parallel = v.at("data_parallel_s");
      EXPECT_NEAR(plan.data_parallel_s, data_parallel, 1e-9 * data_parallel);
      std::vector<ReplicatedStage> stages;
      for (const nlohmann::json& s : v.at("stages")) {
        stages.push_back({{s.at("first"), s.at("end")}, s.at("replicas")});
      }
      if (stages == plan.stages) ++same;
      // Where the stages differ, theirs are no better.
      const double theirs = p.counts_activations ? known_s : minibatch_of(p, v.at("stages"));
      EXPECT_GE(theirs, plan.minibatch_s * (1 - 1e-9));
      ++plans;
    }
  }
  EXPECT_EQ(plans, 144);
  RecordProperty("same_stages", same);
  EXPECT_GE(same, 100);  // equal optima exist
}

// Layers of 1, 1, 2, 4 s on 3 machines: 4 | 4 takes 4 s on two; with three, [1 1 2] on 1, [4] on 2.
TEST(Pipedream, SmallCasesByHand) {
  PipedreamProblem p{.layers = {.compute_s = {1, 1, 2, 4},
                                .output_bytes = {0, 0, 0, 0},
                                .weight_bytes = {0, 0, 0, 0}},
                     .machines = 2,
                     .bandwidth_bytes_per_s = 1,
                     .is_straight = true};
  EXPECT_EQ(plan_pipedream(p).minibatch_s, 4);
  EXPECT_THAT(plan_pipedream(p).stages,
              ElementsAre(ReplicatedStage{{0, 3}, 1}, ReplicatedStage{{3, 4}, 1}));
  p.machines = 3;
  EXPECT_EQ(plan_pipedream(p).minibatch_s, 4);  // straight: the last layer alone
  p.is_straight = false;
  EXPECT_NEAR(plan_pipedream(p).minibatch_s, 8.0 / 3, 1e-12);  // replicas are free: all of it
  p.layers.weight_bytes = {9, 9, 9, 0};
  EXPECT_EQ(plan_pipedream(p).minibatch_s, 4);
  p.layers.output_bytes = {0, 0, 100, 0};
  EXPECT_EQ(plan_pipedream(p).minibatch_s, 4);  // not counted
  p.counts_activations = true;
  EXPECT_GT(plan_pipedream(p).minibatch_s, 4);
}

TEST(Pipedream, AMemoryLimit) {
  PipedreamProblem p{
      .layers = {.compute_s = {1, 1}, .output_bytes = {0, 0}, .weight_bytes = {4, 4}},
      .activation_bytes = {1, 1},
      .machines = 2,
      .bandwidth_bytes_per_s = 1e9};
  p.memory_bytes = 4;  // the first stage keeps one version of its layer: 5 bytes
  p.is_straight = true;
  EXPECT_TRUE(plan_pipedream(p).stages.empty());
  p.memory_bytes = 5;
  EXPECT_EQ(plan_pipedream(p).stages.size(), 2);
}

// The profile's nodes as the chain of states that the planner sees: the input is left out; where
// `with` is above 0, what crosses every cut carries so many bytes more (an attention mask).
EvenLayers dapple_profile(const std::string& name, double with) {
  std::ifstream file(reference_file("dapple_profiles/" + name));
  const std::regex node(
      "node\\d+ -- (\\S+) -- forward_compute_time=([\\d.]+), "
      "backward_compute_time=([\\d.]+), activation_size=([\\d.]+), "
      "parameter_size=([\\d.]+)");
  EvenLayers layers;
  std::smatch found;
  for (std::string line; std::getline(file, line);) {
    if (!std::regex_search(line, found, node) || found[1] == "Input") continue;
    layers.compute_s.push_back((std::stod(found[2]) + std::stod(found[3])) / 1000);
    layers.output_bytes.push_back(std::stod(found[4]) + with);
    layers.weight_bytes.push_back(std::stod(found[5]));
  }
  return layers;
}

TEST(Dapple, TheAuthorsPlanOfVgg19OnAFlatNetwork) {
  if (reference("dapple_plans.json").is_null())
    GTEST_SKIP() << "shared/data/references is not there";
  const EvenLayers layers = dapple_profile("vgg-19-pbs-32.txt", 0);
  ASSERT_EQ(layers.compute_s.size(), 25);
  const DapplePlan plan = plan_dapple(DappleProblem{
      .layers = layers, .devices = 16, .microbatches = 64, .reduces_next_layer = true});
  EXPECT_THAT(plan.stages, ElementsAre(ReplicatedStage{{0, 16}, 14}, ReplicatedStage{{16, 25}, 2}));
  EXPECT_EQ(plan.copies, 1);
  EXPECT_NEAR(plan.speedup, 10.306, 0.001);
}

TEST(Dapple, TheAuthorsPlanOfBert48OnAFlatNetwork) {
  if (reference("dapple_plans.json").is_null())
    GTEST_SKIP() << "shared/data/references is not there";
  const EvenLayers profile = dapple_profile("bert-48-pbs-2.txt", 3538944);
  ASSERT_EQ(profile.compute_s.size(), 53);
  // The attention mask goes beside the embeddings: two of the planner's states are sets of nodes.
  EvenLayers layers;
  for (std::size_t i = 0; i < profile.compute_s.size(); ++i) {
    if (i == 2 || i == 3) {
      layers.compute_s.push_back(0);
      layers.output_bytes.push_back(profile.output_bytes[i]);
      layers.weight_bytes.push_back(0);
    }
    layers.compute_s.push_back(profile.compute_s[i]);
    layers.output_bytes.push_back(profile.output_bytes[i]);
    layers.weight_bytes.push_back(profile.weight_bytes[i]);
  }
  const DapplePlan plan = plan_dapple(DappleProblem{
      .layers = layers, .devices = 16, .microbatches = 32, .reduces_next_layer = true});
  ASSERT_EQ(plan.stages.size(), 16);
  EXPECT_EQ(plan.copies, 1);
  for (int s = 0; s < 15; ++s) EXPECT_EQ(plan.stages[s].layers.last, 9 + 3 * s);
  EXPECT_NEAR(plan.speedup, 9.735, 0.001);
}

// Two layers of 1 s, two devices, nothing to send: 2 stages take (M + 1) s, data parallelism is not
// among the candidates.
TEST(Dapple, TwoLayersByHand) {
  const DapplePlan plan = plan_dapple(DappleProblem{
      .layers = {.compute_s = {1, 1}, .output_bytes = {0, 0}, .weight_bytes = {1e9, 1e9}},
      .devices = 2,
      .microbatches = 4});
  EXPECT_THAT(plan.stages, ElementsAre(ReplicatedStage{{0, 1}, 1}, ReplicatedStage{{1, 2}, 1}));
  EXPECT_NEAR(plan.round_s, 5, 1e-12);
  EXPECT_NEAR(plan.speedup, 8.0 / 5, 1e-12);
  EXPECT_THROW(plan_dapple(DappleProblem{.layers = {.compute_s = {1}}, .devices = 1}),
               base::UserError);
}

// On a fleet: plans that are whole, whatever the fleet.
TEST(PublishedPlanners, PlansForAFleetAreWhole) {
  int limited = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    base::Random random({seed, 0x666c6565ULL});
    const int devices = 1 + static_cast<int>(random.below(6));
    const LayerCosts costs = random_costs(seed, 2 + static_cast<int>(random.below(8)), devices);
    const PipelineProblem p = random_problem(seed, costs, devices, 1 + random.below(8),
                                             1 + random.below(8), random.below(2) == 0);
    const PipelinePlan dapple = plan_dapple(p, {});
    EXPECT_NO_THROW(check_plan(p, dapple));
    EXPECT_EQ(dapple.planner, "dapple");
    const PipelinePlan published = plan_pipedream(p, {});
    EXPECT_NO_THROW(check_plan(p, published));
    EXPECT_TRUE(published.stashes_weights);
    EXPECT_NO_THROW(check_plan(p, plan_pipedream(p, {.counts_activations = true})));
    try {
      const PipelinePlan small = plan_pipedream(p, {.limits_memory = true});
      EXPECT_NO_THROW(check_plan(p, small));
      EXPECT_TRUE(forecast_round(p, small).fits()) << seed;
      ++limited;
    } catch (const base::UserError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("smallest memory"));
    }
  }
  EXPECT_GT(limited, 40);
}

}  // namespace
}  // namespace convoy::sim
