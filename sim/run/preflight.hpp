#pragma once

// Checks before a run: does the memory of each node suffice, how long do tasks take, is every
// parameter trained by some node.

#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Forecast for one kind of task on one node, without contention, jitter and background load.
struct Forecast {
  NodeId node = no_node;
  std::string label;  // "train", "mask"
  double rate = 1;
  int depth = 0;       // blocks trained
  double samples = 0;  // number of samples of the node
  int batch = 0;
  double memory_bytes = 0;  // at the peak; in any order, if the task holds memory
  double available_bytes = 0;
  double download_s = 0;
  double compute_s = 0;
  double upload_s = 0;

  [[nodiscard]] bool fits() const { return memory_bytes <= available_bytes; }
};

struct Preflight {
  std::vector<Forecast> forecasts;    // by node, then in task order
  std::vector<std::string> warnings;  // texts; the run goes on
  std::string network;                // its model and its solver, and why that one; for people
  int blocks = 0;                     // of the architecture
  double parameters = 0;
  double forward_flops = 0;  // of a sample, full model
};

// Throws base::UserError if the schedule cannot be made (no node can take part) or a node cannot
// train.
Preflight preflight(const Scenario& scenario);

// Batch normalization over a single value cannot be trained with one sample: throws base::UserError
// naming the node that would have to.
void require_trainable(const Scenario& scenario, const Schedule& schedule);

}  // namespace convoy::sim
