#pragma once

// The engine that a scenario asks for.

#include <memory>
#include <string>

#include "engine/api/engine.hpp"
#include "engine/api/setup.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// `device` computes. Throws base::UserError where the scenario's nodes cannot train its model.
std::shared_ptr<const engine::Engine> open_engine(const Scenario& scenario,
                                                  const Schedule& schedule,
                                                  const std::string& device);

// The same as text, for machines elsewhere.
engine::EngineSetup engine_setup(const Scenario& scenario);

}  // namespace convoy::sim
