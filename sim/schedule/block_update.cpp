// A node's task in partitioned learning: part of LocalUpdates.

#include "sim/schedule/block_update.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/model/batches.hpp"
#include "engine/model/stage_costs.hpp"
#include "sim/schedule/training_steps.hpp"

namespace convoy::sim {
namespace {

using engine::Pass;

// The passes of all batches of a training: forward; and backward; and the optimizer's step.
struct Passes {
  Steps forward;
  Steps backward;  // with forward
  Steps all;
};

Passes passes_of(const Setting& setting, const NodeSetting& node, const engine::Trace& trace,
                 const LocalWork& work) {
  const engine::BatchCounts counts = engine::count_batches(
      engine::plan_epoch(node.samples, node.batch, engine::needs_two_samples(trace)),
      work.weight_epochs, work.weight_steps);
  Passes passes;
  const auto add = [&](std::int64_t batch, std::int64_t times) {
    if (batch == 0 || times == 0) return;
    engine::StepCost cost;
    const auto pass = [&](Pass which, Steps& sum) {
      const engine::StepCost more =
          engine::stage_step(trace, engine::whole(trace), which, setting.optimizer,
                             static_cast<int>(batch), setting.precision);
      cost.kernels.insert(cost.kernels.end(), more.kernels.begin(), more.kernels.end());
      sum.add(cost, times, *node.machine);
    };
    pass(Pass::forward, passes.forward);
    pass(Pass::backward, passes.backward);
    pass(Pass::update, passes.all);
  };
  add(counts.epoch.batch, counts.whole);
  add(counts.epoch.rest, counts.rests);
  return passes;
}

// What grows with the block, of figures of the three sums.
double of_the_block(double forward, double backward, double all) {
  return std::max(0.0, backward - forward) / 2 + std::max(0.0, all - backward);
}

engine::Trace full_trace(const Setting& setting) {
  return engine::trace(*setting.architecture, engine::full_submodel(*setting.architecture));
}

BlockCost fixed_block_cost(const Setting& setting, const NodeSetting& node, const LocalWork& work) {
  const FixedCost& fixed = *setting.fixed;
  BlockCost cost;
  const engine::Trace trace = full_trace(setting);
  cost.parameters = std::llround(trace.parameters());
  const auto all = static_cast<double>(cost.parameters);
  cost.seconds_per_parameter = fixed.compute_s / all;
  cost.memory = fixed.memory_bytes;
  cost.download_bytes = fixed.download_bytes;
  cost.bytes_per_parameter = fixed.upload_bytes / all;
  const engine::EpochPlan epoch = engine::plan_epoch(node.samples, node.batch, false);
  cost.samples = static_cast<double>(
      engine::count_batches(epoch, work.weight_epochs, work.weight_steps).samples());
  return cost;
}

}  // namespace

double BlockCost::upload_bytes(std::int64_t block) const {
  return std::round(static_cast<double>(block) * bytes_per_parameter);
}

BlockCost block_cost(const Setting& setting, const NodeSetting& node, const LocalWork& work,
                     bool keeps_received) {
  if (setting.fixed) return fixed_block_cost(setting, node, work);
  const engine::Trace trace = full_trace(setting);
  const Passes passes = passes_of(setting, node, trace, work);
  BlockCost cost;
  cost.parameters = std::llround(trace.parameters());
  const auto all = static_cast<double>(cost.parameters);
  const double seconds =
      of_the_block(passes.forward.seconds, passes.backward.seconds, passes.all.seconds);
  const double flops = of_the_block(passes.forward.flops, passes.backward.flops, passes.all.flops);
  cost.fixed_s = passes.all.seconds - seconds;
  cost.seconds_per_parameter = seconds / all;
  cost.fixed_flops = passes.all.flops - flops;
  cost.flops_per_parameter = flops / all;
  cost.watts = passes.all.watts();
  cost.memory = node.machine->context +
                engine::training_memory(trace, setting.optimizer, engine::Phase::weights,
                                        largest_batch(node), keeps_received, setting.precision)
                    .total();
  cost.download_bytes = engine::transfer_bytes(trace);
  cost.bytes_per_parameter = cost.download_bytes / all;
  cost.samples = trained_samples(node, trace, work.weight_epochs, work.weight_steps);
  return cost;
}

// The end of a block and the begin of the next are the same number, by the same division.
engine::ParameterBlock LocalUpdates::shares_of(const BlockWork& block) const {
  const auto share = [this](std::int64_t parameter) {
    return static_cast<double>(parameter) / parameters_;
  };
  return {share(block.first), share(block.first + block.parameters)};
}

LocalUpdate LocalUpdates::make_block(const NodeSetting& node, const LocalWork& work) const {
  const BlockWork& block = *work.block;
  const BlockCost cost = block_cost(*setting_, node, work, keeps_received_);
  const auto parameters = static_cast<double>(block.parameters);
  LocalUpdate update;
  update.depth = setting_->architecture->depth();
  update.samples = cost.samples;
  update.memory = cost.memory;
  update.upload_bytes = cost.upload_bytes(block.parameters);
  TaskGraph& graph = update.graph;
  const int model = graph.transfer("download", graph.artifact("model", cost.download_bytes, 0), 1);
  Activity train{.label = "train",
                 .at = 1,
                 .seconds = cost.compute_s(block.parameters),
                 .watts = cost.watts,
                 .flops = cost.fixed_flops + parameters * cost.flops_per_parameter,
                 .memory = cost.memory};
  if (!setting_->fixed) train.work = engine::Train{work.weight_epochs, work.weight_steps};
  const int made = graph.compute(std::move(train), {model}, {"block", update.upload_bytes});
  const int there = graph.transfer("upload", made, 0);
  if (block.download_bytes_per_s > 0) graph.limit(model, block.download_bytes_per_s);
  if (block.upload_bytes_per_s > 0) graph.limit(there, block.upload_bytes_per_s);
  return update;
}

}  // namespace convoy::sim
