#pragma once

// Made-up traces, marked as synthetic wherever they go. The same seed gives the same trace.

#include <cstdint>

#include "platforms/traces/trace.hpp"

namespace convoy::platforms {

// Sessions at a device: times there and away by Weibull distributions (shape 1: exponential; below
// 1, as usually seen of volunteers' machines, many short ones and a few long: Javadi et al. 2011).
// `daily`: times away are drawn with a scale that swings by that share over the day, shortest at
// `peak_hour`; 0: no rhythm.
struct Sessions {
  double length_s = 86400;
  double mean_there_s = 3600;
  double mean_away_s = 3600;
  double shape = 0.6;  // of both, 0.2 to 10
  double daily = 0;    // 0 to 0.95
  double peak_hour = 2;
};
Trace generate_sessions(const Sessions& sessions, std::uint64_t seed, int node);

// Outages that many nodes share, of a cell or a building: each hits a node with a probability.
// Nodes of one seed have the same outages to be hit by.
struct SharedOutages {
  double length_s = 86400;
  double mean_between_s = 7200;
  double mean_outage_s = 300;
  double hits = 0.5;  // 0 to 1
};
Trace generate_outages(const SharedOutages& outages, std::uint64_t seed, int node);

// A device under full load that heats up by one time constant and lowers its clock between two
// temperatures: speed, temperature_c and power_w.
struct Throttling {
  double length_s = 3600;
  double step_s = 1;
  double ambient_c = 25;
  double busy_w = 20;
  double idle_w = 5;
  double degrees_per_w = 4;  // above ambient, in the long run
  double time_constant_s = 120;
  double hot_c = 85;             // the clock is lowered there,
  double cool_c = 75;            // and raised again here
  double throttled_speed = 0.5;  // of nominal; the dynamic power falls with it
};
Trace generate_throttling(const Throttling& throttling, std::uint64_t seed, int node);

}  // namespace convoy::platforms
