#pragma once

// Network links (platforms/links/*.toml): application goodput, latency, duplex.

#include <string>

#include "base/value.hpp"
#include "platforms/figure.hpp"

namespace convoy::platforms {

constexpr double lowest_rate_bps = 1;  // of a link, and of a trace whose rate is not 0

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
  double up_bps = 0;           // bits/s from the node; at half duplex the same as down
  double latency_s = 0;        // one way
  double joules_per_byte = 0;  // that passes, at this end
};

// Reads a catalogue file, whose numbers are figures with an origin.
Link read_link(const base::Value& file, base::Diagnostics& problems);
// Reads a link written out in a scenario, with plain numbers.
Link read_plain_link(base::TableReader reader);

}  // namespace convoy::platforms
