#pragma once

// Builds the engine for a scenario.

#include <memory>
#include <string>

#include "engine/api/engine.hpp"
#include "engine/api/setup.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// `device` computes: cpu, cuda:N. Throws base::UserError if the nodes cannot train the model.
std::shared_ptr<const engine::Engine> open_engine(const Scenario& scenario,
                                                  const Schedule& schedule,
                                                  const std::string& device);

// The same as text, for real nodes.
engine::EngineSetup engine_setup(const Scenario& scenario);

}  // namespace convoy::sim
