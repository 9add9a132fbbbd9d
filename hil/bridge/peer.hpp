#pragma once

// The bridge's data about its real devices. Used by the bridge's thread only. Internal to
// hil/bridge.

#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "hil/bridge/node_dialogue.hpp"
#include "hil/protocol/connection.hpp"

namespace convoy::hil {

// Seconds of a scenario as Asio has them.
inline std::chrono::milliseconds in_ms(double seconds) {
  using std::chrono::milliseconds;
  return milliseconds(static_cast<milliseconds::rep>(std::ceil(1e3 * seconds)));
}

struct Peer {
  sim::NodeId node = sim::no_node;
  std::string name;  // the agent's name; empty: none has come yet
  std::string session;
  std::string boot;
  std::shared_ptr<Connection> connection;
  int connections = 0;  // number of connections so far
  bool ready = false;   // set up and connected
  bool lost = true;     // the run counts the node as lost
  bool gone = false;    // lost for good
  std::string trouble;  // why the node cannot take part
  bool own_data = false;
  std::int64_t samples = 0;  // number of training samples
  std::string profile;       // the device's profile as measured by the agent
  std::unique_ptr<NodeDialogue::Agent> agent;
  std::unique_ptr<NodeDialogue> dialogue;
  std::uint64_t bytes_moved = 0;  // value at the last check
  sim::WallTime last_reading;
  std::unique_ptr<asio::steady_timer> lost_timer;
  std::unique_ptr<asio::steady_timer> gone_timer;
};

struct Peers {
  std::map<sim::NodeId, Peer> by_node;
  // Node of each task, until the run has taken its update or given it up.
  std::map<sim::TaskId, sim::NodeId> node_of;

  // Null if no peer has the task.
  [[nodiscard]] Peer* with(sim::TaskId task) {
    const auto node = node_of.find(task);
    return node == node_of.end() ? nullptr : &by_node.at(node->second);
  }
  // Null if the node is not real (any more).
  [[nodiscard]] Peer* at(sim::NodeId node) {
    const auto peer = by_node.find(node);
    return peer == by_node.end() ? nullptr : &peer->second;
  }
};

}  // namespace convoy::hil
