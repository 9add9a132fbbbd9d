#pragma once

// Generates traces, marked as synthetic. Equal seeds give equal traces.

#include <cstdint>

#include "platforms/traces/trace.hpp"

namespace convoy::platforms {

// Availability in sessions: times present and absent by Weibull distributions (shape 1:
// exponential; below 1, as usual for volunteers' machines: many short and a few long ones, Javadi
// et al. 2011). `daily`: the scale of absences varies by this share over the day, with the shortest
// at `peak_hour`; 0: no daily rhythm.
struct Sessions {
  double length_s = 86400;
  double mean_there_s = 3600;
  double mean_away_s = 3600;
  double shape = 0.6;  // of both distributions, 0.2 to 10
  double daily = 0;    // 0 to 0.95
  double peak_hour = 2;
};
Trace generate_sessions(const Sessions& sessions, std::uint64_t seed, int node);

// Outages shared by many nodes, of a cell or a building; each hits a node with some probability.
// Equal seeds give equal outages.
struct SharedOutages {
  double length_s = 86400;
  double mean_between_s = 7200;
  double mean_outage_s = 300;
  double hits = 0.5;  // 0 to 1
};
Trace generate_outages(const SharedOutages& outages, std::uint64_t seed, int node);

// Thermal throttling at full load: temperature with one time constant, clock lowered between two
// temperatures. Columns speed, temperature_c and power_w.
struct Throttling {
  double length_s = 3600;
  double step_s = 1;
  double ambient_c = 25;
  double busy_w = 20;
  double idle_w = 5;
  double degrees_per_w = 4;  // final temperature rise above ambient
  double time_constant_s = 120;
  double hot_c = 85;             // above it the clock is lowered
  double cool_c = 75;            // below it the clock is raised again
  double throttled_speed = 0.5;  // relative to nominal; dynamic power falls by the same factor
};
Trace generate_throttling(const Throttling& throttling, std::uint64_t seed, int node);

}  // namespace convoy::platforms
