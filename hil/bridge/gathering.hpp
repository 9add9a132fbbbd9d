#pragma once

// Waits for the real nodes at the start of a run. Internal to hil/bridge.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::hil {

struct Gathered {
  std::vector<std::string> missing;  // names of nodes and agents not yet there
  std::string trouble;               // why an expected node cannot take part; empty: all can
};

struct GatheringRules {
  bool trouble_fails = true;  // fail if an expected node cannot take part
  bool missing_fails = true;  // fail if a node is missing at the end of the time
  double longest_s = 60;      // wall time
};

// Polls `look` until no node is missing, the time is over or `interrupted` is set. `progress` gets
// a text that says who is missing. Throws base::UserError as `rules` say.
void gather(const GatheringRules& rules, const std::function<Gathered()>& look,
            const std::atomic<bool>& interrupted,
            const std::function<void(const std::string&)>& progress);

}  // namespace convoy::hil
