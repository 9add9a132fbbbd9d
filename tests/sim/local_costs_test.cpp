// Tests the cost of a node's task against the sum over its batches as the engine makes them
// (tests/engine/learning/training_test.cpp compares the engine with the same counts).

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

#include "engine/model/batches.hpp"
#include "engine/model/costs.hpp"
#include "engine/model/submodel.hpp"
#include "platforms/roofline.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

// Sizes of the batches of a training, in order, epoch after epoch.
std::vector<int> batches_of(std::int64_t samples, int batch, bool skips_single, int epochs,
                            std::optional<int> steps) {
  std::vector<int> sizes;
  for (int epoch = 0; steps || epoch < epochs; ++epoch) {
    for (std::int64_t from = 0; from < samples; from += batch) {
      const auto n = static_cast<int>(std::min<std::int64_t>(batch, samples - from));
      if (n == 1 && skips_single && from > 0) continue;
      sizes.push_back(n);
      if (steps && static_cast<int>(sizes.size()) == *steps) return sizes;
    }
  }
  return sizes;
}

TEST(Batches, AreCountedAsTheyAreGoneThrough) {
  EXPECT_TRUE(rc::check([] {
    const auto samples = *rc::gen::inRange<std::int64_t>(1, 60);
    const auto batch = *rc::gen::inRange(1, 20);
    const bool skips = *rc::gen::arbitrary<bool>();
    const auto epochs = *rc::gen::inRange(0, 5);
    const auto steps = *rc::gen::maybe(rc::gen::inRange(1, 40));
    const std::optional<int> limit = steps ? std::optional(*steps) : std::nullopt;
    const std::vector<int> sizes = batches_of(samples, batch, skips, epochs, limit);
    const engine::EpochPlan plan = engine::plan_epoch(samples, batch, skips);
    const engine::BatchCounts counts = engine::count_batches(plan, epochs, limit);
    RC_ASSERT(counts.whole + counts.rests == static_cast<std::int64_t>(sizes.size()));
    std::int64_t sum = 0;
    for (const int size : sizes) sum += size;
    RC_ASSERT(counts.samples() == sum);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      RC_ASSERT(plan.size_of(static_cast<std::int64_t>(i) % plan.batches()) == sizes[i]);
    }
  }));
}

// resnet18-cifar normalizes over the batch, vit-micro does not.
TEST(LocalCosts, AreThoseOfTheBatchesThatTheLearnerMakes) {
  EXPECT_TRUE(rc::check([] {
    const bool norms = *rc::gen::arbitrary<bool>();
    const auto samples = *rc::gen::inRange(2, 70);
    const auto batch = *rc::gen::inRange(2, 24);
    const bool by_steps = *rc::gen::arbitrary<bool>();
    const auto amount = *rc::gen::inRange(1, 9);
    const auto precision = *rc::gen::element<std::string>("fp32", "fp32-strict", "fp16-mixed");
    const Scenario scenario = test::read_or_fail(
        fmt::format("[[fleet.nodes]]\ndevice = \"jetson-nano\"\nsamples = {}\n"
                    "[model]\narchitecture = \"{}\"\nimage_size = 8\n[training]\nbatch = {}\n{} = "
                    "{}\nprecision = \"{}\"\n"
                    "[schedule]\nkind = \"fedavg\"\n[stop]\nrounds = 1\n",
                    samples, norms ? "resnet18-cifar" : "vit-micro", batch,
                    by_steps ? "local_steps" : "local_epochs", amount, precision));
    const Setting& setting = *scenario.setting;
    const engine::Architecture& a = *setting.architecture;
    const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
    double seconds = 0;
    double joules = 0;
    double flops = 0;
    double all = 0;
    for (const int n : batches_of(samples, batch, engine::needs_two_samples(trace), amount,
                                  by_steps ? std::optional(amount) : std::nullopt)) {
      const engine::StepCost step = engine::training_step(
          trace, setting.optimizer, engine::Phase::weights, n, setting.precision);
      const platforms::Prediction each = platforms::predict(step, *setting.nodes[1].machine);
      seconds += each.seconds;
      joules += each.seconds * each.watts;
      flops += step.flops();
      all += n;
    }
    const auto schedule = scenario.schedule.make(scenario.setting);
    const Orders orders = schedule->on({.kind = EventKind::run_started, .last = true});
    const auto& assign = std::get<Assign>(orders.at(0));
    RC_ASSERT(assign.samples == all);
    const Activity& train = assign.graph->activities().at(1);
    RC_ASSERT(train.label == "train");
    RC_ASSERT(std::abs(train.seconds - seconds) <= 1e-12 * seconds);
    RC_ASSERT(std::abs(train.flops - flops) <= 1e-12 * flops);
    RC_ASSERT(train.watts.has_value());
    RC_ASSERT(std::abs(*train.watts * train.seconds - joules) <= 1e-9 * joules);
    const double memory =
        engine::training_memory(trace, setting.optimizer, engine::Phase::weights,
                                std::min(samples, batch), false, setting.precision)
            .total();
    RC_ASSERT(train.memory == setting.nodes[1].machine->context + memory);
  }));
}

}  // namespace
}  // namespace convoy::sim
