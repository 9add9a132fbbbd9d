#pragma once

// Waiting at the start of a run for its real nodes. Internal to hil/bridge.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::hil {

struct Gathered {
  std::vector<std::string> missing;  // names of nodes and agents that are still to come
  std::string trouble;               // why one that is wanted cannot take part; empty: none
};

struct GatheringRules {
  bool trouble_fails = true;  // the run, where a node that is wanted cannot take part
  bool missing_fails = true;  // likewise, where one is missing when the time is over
  double longest_s = 60;      // wall time
};

// Asks `look` until nobody is missing, the time is over or `interrupted` is set. `progress` is told
// in words what is waited for. Throws base::UserError by the rules.
void gather(const GatheringRules& rules, const std::function<Gathered()>& look,
            const std::atomic<bool>& interrupted,
            const std::function<void(const std::string&)>& progress);

}  // namespace convoy::hil
