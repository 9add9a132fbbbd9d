#pragma once

// The coordinator's side of hardware in the loop: real devices as a run's real nodes. Sockets are
// the business of one thread of its own; the simulation is told through the elastic clock.
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
  std::filesystem::path folder;  // of the run's store: updates and sessions; empty: none are kept
  bool resume = false;           // an interrupted run is gone on with: its sessions hold
  // Whoever is in the inventory and comes is made real; else only nodes with backend = "hil" are.
  bool all_present = false;
  // On a resumed run: the nodes that were real then, and no others. Empty: it is no such run.
  std::vector<sim::NodeId> real_before;
};

class Bridge : public sim::RealNodes {
 public:
  // Waits until every node that is expected is there and ready, or hil.join_timeout_s is over.
  // `progress` is told in words what is waited for. Throws base::UserError where a node is missing
  // and hil.missing = "fail".
  virtual void gather(const std::atomic<bool>& interrupted,
                      const std::function<void(const std::string&)>& progress) = 0;
  // Who is real from now on: the nodes that have come, and of those that have not the ones that
  // hil.missing leaves absent. The others are simulated, and have come too late.
  virtual sim::Participants decide() = 0;
  // Agents are told how the run ended; `over`: it is not gone on with.
  virtual void farewell(const std::string& why, bool over) = 0;
};

// Listens from now on. Throws base::UserError where it cannot.
std::unique_ptr<Bridge> make_bridge(const sim::Scenario& scenario, BridgeOptions options);

}  // namespace convoy::hil
