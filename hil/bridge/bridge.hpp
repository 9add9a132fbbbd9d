#pragma once

// The coordinator's side of hardware in the loop: makes real devices the real nodes of a run. One
// thread of the bridge handles all sockets; the elastic clock passes events to the simulation.
//
//   auto bridge = make_bridge(scenario, options);
//   bridge->gather(interrupted, progress);   // waits for the agents; decides who is real
//   sim::run(with(scenario, bridge->decide()), {.real = bridge.get(), ...});

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/run/participants.hpp"
#include "sim/run/real_nodes.hpp"
#include "sim/scenario/scenario.hpp"
#include "testbed/inventory.hpp"

namespace convoy::hil {

struct BridgeOptions {
  testbed::Inventory inventory;
  std::filesystem::path folder;  // of the run's store; empty: updates and sessions are not kept
  bool resume = false;           // resumes an interrupted run: agents keep their sessions
  // true: any agent of the inventory becomes real; false: only nodes with backend = "hil".
  bool all_present = false;
  // Resumed run: exactly the nodes that were real before. Empty: a new run.
  std::vector<sim::NodeId> real_before;
};

class Bridge : public sim::RealNodes {
 public:
  // Waits until every expected node is ready, at most hil.join_timeout_s. `progress` gets a text
  // that says who is missing. Throws base::UserError if a node is missing and hil.missing = "fail".
  virtual void gather(const std::atomic<bool>& interrupted,
                      const std::function<void(const std::string&)>& progress) = 0;
  // Fixes the set of real nodes: those that are ready, and the missing ones if hil.missing =
  // "absent". All others are simulated and cannot join later.
  virtual sim::Participants decide() = 0;
  // Tells the agents how the run ended; `over`: the run will not be resumed.
  virtual void farewell(const std::string& why, bool over) = 0;
};

// Starts to listen. Throws base::UserError if that fails.
std::unique_ptr<Bridge> make_bridge(const sim::Scenario& scenario, BridgeOptions options);

}  // namespace convoy::hil
