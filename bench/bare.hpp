#pragma once

// The same pattern in plain SimGrid, without Convoy: permanent actors with sendto and execute.

namespace convoy::bench {

struct Pattern {
  int nodes = 16;
  int in_flight = 16;
  int tasks = 20'000;
  double bytes = 1e6;    // per direction
  double seconds = 0.1;  // compute time of the slowest node
  bool server_binds = false;
};

// Gives the wall time of the simulation in s, without building the platform.
double run_bare(const Pattern& pattern);

}  // namespace convoy::bench
