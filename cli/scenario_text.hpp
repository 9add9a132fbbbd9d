#pragma once

// What a scenario asks for besides its fleet and its schedule, as text for `convoy check`.

#include <string>

#include "sim/scenario/scenario.hpp"
#include "sim/scenario/sweep.hpp"

namespace convoy::cli {

// The links with their rates, the shared links, and what makes nodes differ from their profiles:
// traces, jitter, slowdowns, background load, outages, times of joining and leaving.
std::string world_text(const sim::Scenario& scenario);

// The goals that end the run; the accuracy whose time is reported.
std::string goals_text(const sim::Scenario& scenario);

// The axes and their values.
std::string sweep_text(const sim::Sweep& sweep);

}  // namespace convoy::cli
