#pragma once

// The options of edgesplit, and their keys.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/plan/replanner.hpp"
#include "sim/schedule/rounds.hpp"
#include "sim/schedule/split_problem.hpp"

namespace convoy::sim {

// How the bandwidth is divided.
enum class BandwidthShares {
  planned,  // with the cuts, so that the round is as short as possible
  equal,    // B / n each
  by_hand,  // a share of B for each node
};

// What the planned rates and shares of the server are in the simulation.
enum class SharesHold {
  at_most,   // a part of its own for each device, whoever else is silent (the paper's bandwidth)
  at_least,  // a guarantee: what one device leaves the others have
  nothing,   // cuts alone are planned (with guarantees in mind): network and server divide as ever
};

struct EdgeSplitOptions : RoundsOptions {
  SplitProblemOptions problem;
  // Given by hand: a cut (a name or a position as a text), a share. The keys are names of nodes, of
  // groups of nodes or of devices; "" means all nodes.
  std::map<std::string, std::string> cuts;
  BandwidthShares shares = BandwidthShares::planned;
  std::map<std::string, double> shares_by_hand;
  SharesHold shares_hold = SharesHold::at_most;
  ReplanOptions replan;
  bool moves_cost = false;  // see `replan.cost`
  int observe = 1;          // rounds: in one of so many, activities are watched; 0: in none
  int probe_after = 5;      // SplitObserver
};

EdgeSplitOptions read_edgesplit(base::TableReader& common, base::TableReader& own);

// What may name a node in tables by name, the most exact first: its name, its name without a number
// at the end ("nano" of "nano-3"), its device; "" for all nodes.
std::vector<std::string> keys_for(const NodeSetting& node, NodeId id);

// Throws base::UserError for a name that is no node's, with the nearest. `key`: of the scenario.
void require_known_names(const Setting& setting, const std::vector<std::string>& names,
                         const std::string& key);

}  // namespace convoy::sim
