#include "sim/plan/even_fleet.hpp"

#include <algorithm>
#include <numeric>

#include "sim/plan/pipeline_parts.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {

EvenLayers even_layers(const PipelineProblem& problem) {
  const PipelineCosts& costs = *problem.costs;
  EvenLayers layers;
  for (int layer = 0; layer < costs.layers(); ++layer) {
    double sum = 0;
    for (const PipelineDevice& device : problem.devices) {
      sum += costs.forward_s(device.kind, {layer, layer + 1}, problem.microbatch) +
             costs.backward_s(device.kind, {layer, layer + 1}, problem.microbatch);
    }
    layers.compute_s.push_back(sum / static_cast<double>(problem.devices.size()));
    layers.output_bytes.push_back(
        layer + 1 < costs.layers() ? costs.forward_bytes(layer, problem.microbatch) : 0);
    layers.weight_bytes.push_back(costs.weight_bytes({layer, layer + 1}));
  }
  return layers;
}

double slowest_link(const PipelineProblem& problem) {
  std::vector<int> all(problem.devices.size());
  std::iota(all.begin(), all.end(), 0);
  return slowest_within(problem, all);
}

double smallest_memory(const PipelineProblem& problem) {
  double least = std::numeric_limits<double>::infinity();
  for (const PipelineDevice& device : problem.devices) {
    least = std::min(least, device.memory_bytes);
  }
  return least;
}

PipelinePlan place(const PipelineProblem& problem, const std::vector<ReplicatedStage>& stages,
                   std::vector<int> order, WindowPolicy policy) {
  if (order.empty()) {
    order.resize(problem.devices.size());
    std::iota(order.begin(), order.end(), 0);
  }
  PipelinePlan plan{.microbatch = problem.microbatch, .microbatches = problem.microbatches};
  auto next = order.begin();
  const int count = static_cast<int>(stages.size());
  for (int s = 0; s < count; ++s) {
    const auto& [layers, replicas] = stages[static_cast<std::size_t>(s)];
    require("pipeline plan", replicas <= order.end() - next, "it has more devices than there are");
    PipelineStage stage{.layers = layers};
    stage.window = window_of(policy, count, s, problem.microbatches);
    const int used = std::min(replicas, problem.microbatch);
    for (int i = 0; i < used; ++i) {
      const int samples = (problem.microbatch / used) + (i < problem.microbatch % used ? 1 : 0);
      stage.members.push_back({next[i], samples});
    }
    next += replicas;
    plan.stages.push_back(std::move(stage));
  }
  return plan;
}

}  // namespace convoy::sim
