#pragma once

// A real device as the bridge knows it. Lives in the bridge's own thread. Internal to hil/bridge.

#include <memory>
#include <string>
#include <vector>

#include "hil/bridge/orders.hpp"
#include "hil/protocol/connection.hpp"

namespace convoy::hil {

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
  std::unique_ptr<Orders::Agent> agent;
  std::unique_ptr<Orders> orders;
  std::uint64_t bytes_moved = 0;  // at the last look
  double last_reading = 0;
  std::unique_ptr<asio::steady_timer> lost_timer;
  std::unique_ptr<asio::steady_timer> gone_timer;
};

}  // namespace convoy::hil
