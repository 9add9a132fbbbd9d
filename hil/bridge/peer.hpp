#pragma once

// Real devices as the bridge knows them. All of it lives in the bridge's own thread. Internal to
// hil/bridge.

#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

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
  std::string name;  // of the agent; empty: none has come
  std::string session;
  std::string boot;
  std::shared_ptr<Connection> connection;
  int connections = 0;  // so far
  bool ready = false;   // set up and connected
  bool lost = true;     // as the run sees it
  bool gone = false;    // for good
  std::string trouble;  // why it cannot take part
  bool own_data = false;
  std::int64_t samples = 0;             // that it trains on
  std::string profile;                  // of its device, as it measured it
  std::vector<wire::KnownTaskT> known;  // by the agent, when it connected
  std::unique_ptr<NodeDialogue::Agent> agent;
  std::unique_ptr<NodeDialogue> dialogue;
  std::uint64_t bytes_moved = 0;  // at the last look
  sim::WallTime last_reading;
  std::unique_ptr<asio::steady_timer> lost_timer;
  std::unique_ptr<asio::steady_timer> gone_timer;
};

struct Peers {
  std::map<sim::NodeId, Peer> by_node;
  std::map<sim::TaskId, sim::NodeId> node_of;  // who has a task

  // Null: nobody has it.
  [[nodiscard]] Peer* with(sim::TaskId task) {
    const auto node = node_of.find(task);
    return node == node_of.end() ? nullptr : &by_node.at(node->second);
  }
  // Null: it is no real node, or not any more.
  [[nodiscard]] Peer* at(sim::NodeId node) {
    const auto peer = by_node.find(node);
    return peer == by_node.end() ? nullptr : &peer->second;
  }
};

}  // namespace convoy::hil
