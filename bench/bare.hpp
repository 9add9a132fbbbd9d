#pragma once

// The same pattern without Convoy: standing SimGrid actors that use sendto and execute.

namespace convoy::bench {

struct Pattern {
  int nodes = 16;
  int in_flight = 16;
  int tasks = 20'000;
  double bytes = 1e6;    // down, and up
  double seconds = 0.1;  // of compute, at the slowest node
  bool server_binds = false;
};

// Gives the seconds that the simulation took, without building the platform.
double run_bare(const Pattern& pattern);

}  // namespace convoy::bench
