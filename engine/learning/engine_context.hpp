#pragma once

// What all tasks of an engine share, and what follows from it for a version and for a task.

#include <optional>
#include <vector>

#include "engine/learning/samples.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// Data shared by all tasks of an engine.
struct EngineContext {
  Layout layout;
  TrainingOptions training;
  LearningRules rules;
  std::uint64_t seed = 1;
  at::Device device = at::kCPU;
  std::optional<Samples> train;
  std::optional<Samples> test;
  std::vector<LocalSplit> parts;  // by node
  int evaluation_batch = 256;
  Tensors frozen;  // ElementKind::sampled: what is not learned (sampled.hpp)
};

// The values with which a version is computed: kept ones, or those of a sample. On the host.
Tensors effective(const EngineContext& context, const TensorWeights& version);

// The submodel of a rate whose members nobody has chosen: the first of each group, or all members
// of fewer blocks if masks choose by depth.
Submodel plain_submodel(const EngineContext& context, double rate);

// The submodel with which a task begins.
Submodel first_submodel(const EngineContext& context, const TaskInput& input);

}  // namespace convoy::engine
