// Tests what pipelines are planned with: costs and memory of ranges of layers against those of
// stages (engine/model/stage_costs.hpp), places to cut, and the problem of a fleet.

#include "sim/schedule/pipeline_costs.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/diagnostics.hpp"
#include "engine/model/architecture.hpp"
#include "engine/model/submodel.hpp"
#include "platforms/roofline.hpp"
#include "sim/schedule/pipeline_members.hpp"
#include "tests/support/hand_machine.hpp"

namespace convoy::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::shared_ptr<const engine::Architecture> model_of(const std::string& name) {
  engine::ModelOptions model;
  model.architecture = name;
  model.exits = {1};
  return std::make_shared<const engine::Architecture>(engine::make_architecture(model));
}

// A server and two kinds of workers, which launch unlike and have unlike links.
std::shared_ptr<Setting> setting_of(const std::string& name) {
  auto server = std::make_shared<platforms::Machine>(test::hand_machine(1e13, 1e12));
  auto slow = std::make_shared<platforms::Machine>(test::hand_machine(4e11, 2e10));
  slow->memory = 4e9;
  slow->context = 3e8;
  slow->launch_overhead = 2e-5;
  auto fast = std::make_shared<platforms::Machine>(test::hand_machine(2e12, 6e10));
  fast->memory = 8e9;
  fast->context = 5e8;
  fast->launch_overhead = 4e-5;
  fast->launches_ahead = false;
  auto setting = std::make_shared<Setting>();
  setting->architecture = model_of(name);
  setting->nodes.push_back({"server", server});
  setting->nodes.push_back(
      {"a", slow, 100, 8, {.down_bps = 80e6, .up_bps = 40e6, .latency_s = 0.001}});
  setting->nodes.push_back(
      {"b", fast, 100, 8, {.down_bps = 16e6, .up_bps = 160e6, .latency_s = 0.004}});
  setting->nodes.push_back(
      {"c", slow, 100, 8, {.down_bps = 800e6, .up_bps = 800e6, .latency_s = 0.002}});
  return setting;
}

class PipelineCostsOf : public testing::TestWithParam<const char*> {};

// All ranges of a few lengths, so that large models take little time.
std::vector<LayerRange> ranges_of(int layers) {
  std::vector<LayerRange> all;
  for (int first = 0; first < layers; ++first) {
    for (const int length : {1, 2, 5, layers / 2, layers - first}) {
      if (length >= 1 && first + length <= layers) all.push_back({first, first + length});
    }
  }
  return all;
}

TEST_P(PipelineCostsOf, ARoundCostsWhatTheStageRoundCosts) {
  for (const bool recompute : {false, true}) {
    for (const engine::Precision precision :
         {engine::Precision::fp32, engine::Precision::fp16_mixed}) {
      const auto setting = setting_of(GetParam());
      setting->precision = precision;
      setting->optimizer = engine::Optimizer::adamw;
      const PipelineModel model(setting, {.recompute = recompute});
      ASSERT_GE(model.layers(), 2);
      for (const LayerRange& range : ranges_of(model.layers())) {
        const int samples = 1 + (range.first * 7 + range.last) % 13;
        const engine::StepCost round =
            engine::stage_round(model.trace(), model.stage(range), setting->optimizer,
                                {samples, samples, samples}, recompute, precision);
        double flops = 2 * model.forward(1, range, samples).flops + model.update(1, range).flops +
                       2 * model.backward(1, range, samples, true).flops;
        flops += model.forward(1, range, samples).flops;
        flops += model.backward(1, range, samples, false).flops;
        EXPECT_NEAR(flops / round.flops(), 1, 1e-12);
        // Each pass by itself is what the roofline says of it; a machine that launches a kernel
        // when the one before has ended takes the sum of them.
        const double seconds = 3 * model.forward(2, range, samples).seconds +
                               model.backward(2, range, samples, false).seconds +
                               2 * model.backward(2, range, samples, true).seconds +
                               model.update(2, range).seconds;
        EXPECT_NEAR(seconds / platforms::seconds(round, *setting->nodes[2].machine), 1, 1e-12);
        EXPECT_EQ(model.forward(1, range, samples).seconds,
                  platforms::seconds(
                      engine::stage_step(model.trace(), model.stage(range), engine::Pass::forward,
                                         setting->optimizer, samples, precision),
                      *setting->nodes[1].machine));
      }
    }
  }
}

TEST_P(PipelineCostsOf, MemoryIsThatOfTheStage) {
  for (const engine::Optimizer optimizer : {engine::Optimizer::sgd, engine::Optimizer::adan}) {
    const auto setting = setting_of(GetParam());
    setting->optimizer = optimizer;
    const auto model = std::make_shared<const PipelineModel>(setting, PipelineModelOptions{});
    const int layers = model->layers();
    for (const LayerRange& range :
         {LayerRange{0, layers}, LayerRange{0, 1}, LayerRange{1, layers},
          LayerRange{layers - 1, layers}, LayerRange{layers / 2, layers / 2 + 1}}) {
      for (const int samples : {1, 3, 16}) {
        for (const int stashes : {1, 2, 3, 7, 16}) {
          const auto stage_has = [&](int k, bool accumulates) {
            return engine::stage_memory(
                       model->trace(), model->stage(range), optimizer,
                       {.microbatch = samples, .stashes = k, .accumulates = accumulates})
                .total();
          };
          const double plain = stage_has(stashes, false);
          const double added = stage_has(stashes, true);
          EXPECT_NEAR(model->peak_bytes(range, samples, stashes, false) / plain, 1, 1e-9);
          EXPECT_NEAR(model->peak_bytes(range, samples, stashes, true) / added, 1, 1e-9);
          // Fewer in flight than micro-batches; as many; and none added.
          const ModelCosts many(model, 20, false);
          EXPECT_NEAR(many.memory_bytes(range, samples, stashes, 1) / added, 1, 1e-9);
          if (stashes > 1) {
            const ModelCosts all(model, stashes, false);
            EXPECT_NEAR(all.memory_bytes(range, samples, stashes, 1) /
                            std::max(plain, stage_has(stashes - 1, true)),
                        1, 1e-9);
          }
          const ModelCosts each(model, 20, true);
          EXPECT_NEAR(each.memory_bytes(range, samples, stashes, 4) /
                          (plain + 3 * engine::transfer_bytes(model->trace(), model->stage(range))),
                      1, 1e-9);
        }
      }
    }
  }
}

TEST_P(PipelineCostsOf, LayersCoverTheModelAndOneTensorCrosses) {
  const auto setting = setting_of(GetParam());
  int fewer = 0;
  for (const PipelinePlaces places : {PipelinePlaces::blocks, PipelinePlaces::layers}) {
    const PipelineModel model(setting, {.places = places});
    const engine::Trace& trace = model.trace();
    EXPECT_GE(model.layers(), fewer);
    fewer = model.layers();
    int at = 0;
    double gradients = 0;
    for (int i = 0; i < model.layers(); ++i) {
      const engine::Stage piece = model.stage({i, i + 1});
      EXPECT_EQ(piece.first, at);
      at = piece.last;
      EXPECT_GT(engine::parameters(trace, piece), 0) << model.name(i);
      EXPECT_EQ(model.gradient_bytes({i, i + 1}), 4 * engine::parameters(trace, piece));
      EXPECT_EQ(model.copy_bytes({i, i + 1}), engine::transfer_bytes(trace, piece));
      gradients += model.gradient_bytes({i, i + 1});
      if (i + 1 == model.layers()) break;
      EXPECT_EQ(engine::nearest_cut(trace, at), at);
      EXPECT_EQ(model.forward_bytes(i, 5), engine::bytes_forward(trace, at, 5));
      EXPECT_EQ(model.backward_bytes(i, 5), engine::bytes_backward(trace, at, 5));
      EXPECT_EQ(model.read(model.name(i), "key"), i + 1);
      if (places == PipelinePlaces::blocks) {
        EXPECT_EQ(model.name(i).find('.'), std::string::npos);
      }
    }
    EXPECT_EQ(at, engine::whole(trace).last);
    EXPECT_EQ(gradients, 4 * trace.parameters());
    EXPECT_EQ(model.read("end", "key"), model.layers());
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, PipelineCostsOf,
                         testing::Values("mlp", "cnn-small", "resnet18", "resnet50", "mobilenet_v2",
                                         "vit-micro", "bert-small"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase_if(name, [](char c) { return c == '-' || c == '_'; });
                           return name;
                         });

TEST(PipelineCosts, ACaseHasTheNodesMemoryLinksAndSpeeds) {
  const auto setting = setting_of("resnet18");
  const auto model = std::make_shared<const PipelineModel>(setting, PipelineModelOptions{});
  const PipelineCase one(
      *setting, model,
      {.nodes = {3, 2, 1}, .speeds = {0.5, 1, 1}, .microbatch = 4, .microbatches = 6});
  const PipelineProblem& problem = one.problem();
  ASSERT_EQ(problem.devices.size(), 3U);
  EXPECT_EQ(problem.devices[0].name, "c");
  EXPECT_EQ(problem.devices[0].memory_bytes, 4e9 - 3e8);
  EXPECT_EQ(problem.devices[1].memory_bytes, 8e9 - 5e8);
  EXPECT_EQ(problem.microbatch, 4);
  EXPECT_EQ(problem.microbatches, 6);
  // c to b: 800 Mbit/s up, 16 down. a to c: 40 up.
  EXPECT_EQ(problem.bandwidth(0, 1), 2e6);
  EXPECT_EQ(problem.bandwidth(1, 0), 20e6);
  EXPECT_EQ(problem.bandwidth(2, 0), 5e6);
  EXPECT_DOUBLE_EQ(problem.latency_s, 0.006);
  const LayerRange all{0, model->layers()};
  // The same machine at half the speed.
  EXPECT_EQ(problem.costs->forward_s(problem.devices[0].kind, all, 2),
            2 * problem.costs->forward_s(problem.devices[2].kind, all, 2));
  EXPECT_EQ(problem.costs->backward_s(problem.devices[2].kind, all, 2),
            model->backward(model->kind(1), all, 2, true).seconds);
  EXPECT_EQ(one.node(2), 1);
}

// What a device keeps of each micro-batch is its stash, whatever else makes the peak: also where
// all micro-batches of a round are in flight, of which the first does not add to gradients yet.
TEST(PipelineCosts, AMembersMemoryIsItsStashesAndWhatStays) {
  for (const char* name : {"bert-small", "resnet50"}) {
    const auto setting = setting_of(name);
    const auto model = std::make_shared<const PipelineModel>(setting, PipelineModelOptions{});
    const PipelineCase one(*setting, model, {.nodes = {1, 2}, .microbatch = 4, .microbatches = 4});
    const int half = model->layers() / 2;
    for (const PipelineOrder order : {PipelineOrder::one_f_one_b, PipelineOrder::gpipe}) {
      for (const int window : {1, 2, 4}) {
        const PipelinePlan plan{
            .stages = {{{0, half}, {{0, 4}}, window}, {{half, model->layers()}, {{1, 4}}, 1}},
            .order = order,
            .microbatch = 4,
            .microbatches = 4};
        const auto groups = pipeline_groups(one.problem(), plan, {});
        for (int p = 0; p < 2; ++p) {
          SCOPED_TRACE(fmt::format("{}, window {}, stage {}", name, window, p));
          const PipelineMember& member = groups.at(static_cast<std::size_t>(p)).front();
          const LayerRange layers = plan.stages[static_cast<std::size_t>(p)].layers;
          const int flying = most_in_flight(plan, p);
          EXPECT_EQ(member.stash_bytes, model->stash_bytes(layers, 4));
          EXPECT_GT(member.stash_bytes, 1e6);
          EXPECT_GE(member.stays_bytes, model->copy_bytes(layers));
          EXPECT_NEAR(member.stays_bytes + flying * member.stash_bytes,
                      one.costs().memory_bytes(layers, 4, flying, 1), 1);
        }
      }
    }
  }
}

TEST(PipelineCosts, RefuseWhatCannotBePlanned) {
  const auto setting = setting_of("resnet50");
  const PipelineModel blocks(setting, {});
  try {
    (void)blocks.read(engine::name_of_cut(blocks.trace(), 1), "schedule.pipeline.stages.0.to");
    ADD_FAILURE();
  } catch (const base::UserError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("schedule.pipeline.stages.0.to"), HasSubstr("stem."),
                                    HasSubstr("between blocks")));
  }
  setting->fixed = FixedCost{};
  EXPECT_THROW(PipelineModel(setting, {}), base::UserError);
}

}  // namespace
}  // namespace convoy::sim
