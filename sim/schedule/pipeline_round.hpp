#pragma once

// A task of a pipeline's schedule, ready to be assigned.

#include <memory>
#include <vector>

#include "sim/task/graph.hpp"

namespace convoy::sim {

struct PipelineTask {
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;  // by role
  int result = -1;              // artifact that is published
  // By stage and member: its role. Of moves: none.
  std::vector<std::vector<int>> roles;
};

}  // namespace convoy::sim
