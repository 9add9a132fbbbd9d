#pragma once

// How `convoy plan` shows the plans of schedules: as text, or as one JSON object.

#include <nlohmann/json.hpp>
#include <optional>

#include "sim/scenario/scenario.hpp"
#include "sim/schedule/explanation.hpp"

namespace convoy::cli {

// Both simulate what they show, once per process (sim::World).
void show_plan(const sim::Scenario& scenario, sim::SplitExplanation explanation, bool json);
void show_plan(const sim::Scenario& scenario, sim::PipelineExplanation explanation, bool json);

// What a simulation of a plan runs: without learning, with simulated nodes only.
sim::Scenario timing_only(sim::Scenario scenario);

inline nlohmann::ordered_json number_or_null(std::optional<double> number) {
  if (!number || !std::isfinite(*number)) return nullptr;
  return *number;
}

}  // namespace convoy::cli
