#pragma once

// Which learning has an objective: a function of the weights that all nodes lower together, whose
// gradient can be computed (Objective in engine.hpp).

#include <string>

#include "engine/api/options.hpp"
#include "engine/model/architecture.hpp"

namespace convoy::engine {

// Why there is none, as a sentence for users; empty if there is one. There is none for
// - weights sampled from masks (FedPM): what is trained are the masks' scores, and a version's
//   weights are one sample;
// - layers that each node has of its own (SplitFed v3): there is a model for each node;
// - batch norms: a sample's loss in training depends on the others of its batch, so it is no
//   function of the weights alone, and with running statistics it is another function.
std::string why_no_objective(const Architecture& architecture, const LearningRules& rules);

}  // namespace convoy::engine
