#pragma once

// Before a run: does each node's memory hold its tasks, how long should they take, is every
// parameter trained by somebody.

#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// A kind of task on a node, alone on its links and without jitter or background.
struct Forecast {
  NodeId node = no_node;
  std::string label;  // "train", "mask"
  double rate = 1;
  int depth = 0;       // blocks trained
  double samples = 0;  // the node's own
  int batch = 0;
  double memory_bytes = 0;  // needed at the peak
  double available_bytes = 0;
  double download_s = 0;
  double compute_s = 0;
  double upload_s = 0;

  [[nodiscard]] bool fits() const { return memory_bytes <= available_bytes; }
};

struct Preflight {
  std::vector<Forecast> forecasts;    // by node, then in the order of the tasks
  std::vector<std::string> warnings;  // for people; the run goes on all the same
  std::string assumed;                // which figures of the devices nobody has measured; or empty
  int blocks = 0;                     // of the architecture
  double parameters = 0;
  double forward_flops = 0;  // a sample, full model
};

// Throws base::UserError where the schedule cannot be made (nobody can take part), or a node cannot
// learn what it is to learn.
Preflight preflight(const Scenario& scenario);

// A norm over the batch that sees one position cannot learn from a single sample: throws
// base::UserError naming the node that would have to.
void require_trainable(const Scenario& scenario, const Schedule& schedule);

}  // namespace convoy::sim
