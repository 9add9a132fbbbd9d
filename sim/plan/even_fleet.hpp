#pragma once

// What planners that take all devices for alike see of a problem (PipeDream, DAPPLE, GPipe), and
// how their stages come to stand on the devices.

#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

// By layer, of one micro-batch on the mean device.
struct EvenLayers {
  std::vector<double> compute_s;  // forward + backward
  std::vector<double> output_bytes;
  std::vector<double> weight_bytes;
};

EvenLayers even_layers(const PipelineProblem& problem);

// bytes/s of the slowest pair; infinite for one device.
double slowest_link(const PipelineProblem& problem);
double smallest_memory(const PipelineProblem& problem);

// Layers on so many devices.
struct ReplicatedStage {
  LayerRange layers;
  int replicas = 1;

  friend bool operator==(const ReplicatedStage&, const ReplicatedStage&) = default;
};

// The stages on the devices of `order` (empty: as given), one after the other. A micro-batch is
// shared evenly; of a group larger than a micro-batch the last devices stay idle. Windows by
// `policy`.
PipelinePlan place(const PipelineProblem& problem, const std::vector<ReplicatedStage>& stages,
                   std::vector<int> order, WindowPolicy policy);

}  // namespace convoy::sim
