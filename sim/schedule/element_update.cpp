// A node's task where weights are learned element by element (PruneFL, FedPM), and the server's
// reconfiguration: part of LocalUpdates.

#include "engine/api/element_costs.hpp"
#include "engine/model/pruning.hpp"
#include "platforms/roofline.hpp"
#include "sim/schedule/local_update.hpp"
#include "sim/schedule/training_steps.hpp"

namespace convoy::sim {

LocalUpdate LocalUpdates::make_by_elements(const NodeSetting& node, const LocalWork& work) const {
  const engine::Architecture& a = *setting_->architecture;
  const bool pruned = work.elements == engine::ElementKind::pruned;
  const std::vector<std::int64_t> kept =
      work.density < 1 ? engine::elements_at(a, work.density) : std::vector<std::int64_t>();
  const double down = pruned ? engine::pruned_down_bytes(a, kept) : engine::sampled_down_bytes(a);
  const double up =
      pruned ? engine::pruned_up_bytes(a, kept, work.brings_squares) : engine::sampled_up_bytes(a);
  LocalUpdate update;
  update.depth = a.depth();
  update.samples = trained_samples(node, engine::trace(a, engine::full_submodel(a)),
                                   work.weight_epochs, work.weight_steps);
  // The server goes over all elements, whatever is masked, and over bits.
  update.upload_bytes = pruned ? engine::pruned_up_bytes(a, {}, work.brings_squares) : up;
  Activity cost = training_by_elements(node, work);
  update.memory = cost.memory;
  TaskGraph& graph = update.graph;
  const int model = graph.transfer("download", graph.artifact("model", down, 0), 1);
  const int delta = graph.compute(std::move(cost), {model}, {"update", up});
  const int there = graph.transfer("upload", delta, 0);
  if (pruned) {
    graph.size_late(graph.producer(model));
    graph.size_late(graph.producer(there));
  }
  return update;
}

// Kernels are dense ones, whatever is masked.
Activity LocalUpdates::training_by_elements(const NodeSetting& node, const LocalWork& work) const {
  const engine::Architecture& a = *setting_->architecture;
  const bool pruned = work.elements == engine::ElementKind::pruned;
  const engine::Optimizer optimizer = pruned ? setting_->optimizer : engine::Optimizer::adamw;
  const engine::ElementWork besides =
      pruned ? engine::pruned_work(a, work.gathers_squares) : engine::sampled_work(a);
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  Steps steps = training_steps(*setting_, node, trace,
                               {.epochs = work.weight_epochs,
                                .steps = work.weight_steps,
                                .extras = work.extras,
                                .optimizer = optimizer,
                                .besides = besides.each_step});
  steps.add(besides.at_the_end, 1, *node.machine);
  const double memory =
      engine::training_memory(trace, optimizer, engine::Phase::weights, largest_batch(node),
                              pruned && keeps_received_, setting_->precision)
          .total();
  return {.label = "train",
          .at = 1,
          .seconds = steps.seconds,
          .watts = steps.watts(),
          .flops = steps.flops,
          .memory = node.machine->context + memory + besides.memory,
          .work = engine::Train{work.weight_epochs, work.weight_steps}};
}

Activity LocalUpdates::sized_by_elements(const Activity& transfer,
                                         const std::vector<std::int64_t>& kept,
                                         bool brings_squares) const {
  const engine::Architecture& a = *setting_->architecture;
  Activity sized = transfer;
  sized.bytes = transfer.to == 0 ? engine::pruned_up_bytes(a, kept, brings_squares)
                                 : engine::pruned_down_bytes(a, kept);
  return sized;
}

Activity LocalUpdates::reconfiguring(const engine::Reconfigure& work, std::size_t updates) const {
  const engine::Architecture& a = *setting_->architecture;
  const double parameters = engine::trace(a, engine::full_submodel(a)).parameters();
  const engine::StepCost step = engine::reconfiguration_step(parameters, updates);
  const platforms::Prediction each = platforms::predict(step, *setting_->nodes.front().machine);
  return {.label = "reconfigure",
          .at = 0,
          .seconds = each.seconds,
          .watts = each.watts,
          .flops = step.flops(),
          .memory = engine::reconfiguration_memory(parameters),
          .work = work};
}

}  // namespace convoy::sim
