#pragma once

// Network links (platforms/links/*.toml): application goodput, latency, duplex.

#include <string>

#include "base/value.hpp"
#include "platforms/figure.hpp"

namespace convoy::platforms {

constexpr double lowest_rate_bps = 1;  // minimum for links, and for traces with a rate above 0

enum class Duplex {
  half,  // both directions share one rate
  full,  // each direction has its own
};
inline constexpr base::Words<Duplex> duplex_words = {{Duplex::half, "half"},
                                                     {Duplex::full, "full"}};

struct Link {
  std::string name;
  std::string description;
  Duplex duplex = Duplex::full;
  double down_bps = 0;         // bits/s towards the node
  double up_bps = 0;           // bits/s from the node; equal to down if half duplex
  double latency_s = 0;        // one way
  double joules_per_byte = 0;  // energy per byte passed, at this end
};

// Reads a catalogue file, with figures (number and origin).
Link read_link(const base::Value& file, base::Diagnostics& problems);
// Reads a link of a scenario, with plain numbers.
Link read_plain_link(base::TableReader reader);

}  // namespace convoy::platforms
