#pragma once

// A real device as the bridge knows it: its connection, what it has been told, what it has
// answered. Lives in the bridge's own thread. Internal to hil/bridge.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/engine.hpp"
#include "hil/protocol/connection.hpp"
#include "sim/world/real.hpp"

namespace convoy::hil {

// An activity that the node is to carry out and has not ended.
struct Command {
  enum class Kind { download, compute, upload };

  sim::ElasticClock::Id id = 0;
  Kind kind = Kind::compute;
  wire::BeginT begin;  // but for a download
  bool sent = false;
  double sent_s = 0;   // steady clock
  bool began = false;
  int connection = 0;  // under which it began
};

struct RealTask {
  using Key = std::pair<int, int>;  // activity, iteration

  engine::TaskInput input;
  std::shared_ptr<const sim::TaskGraph> graph;
  std::int32_t attempt = 1;
  bool told = false;       // the agent has the assignment
  bool has_input = false;  // and what the task starts from
  std::map<Key, Command> open;
};

struct Peer {
  sim::NodeId node = sim::no_node;
  std::string name;     // of the agent
  std::string session;  // empty: it has not come yet
  std::string boot;
  std::shared_ptr<Connection> connection;
  int connections = 0;       // so far
  bool ready = false;        // set up and connected
  bool lost = true;          // as the run sees it
  bool gone = false;         // for good
  std::string trouble;       // why it cannot take part
  std::int64_t samples = 0;  // that it trains on
  std::map<sim::TaskId, RealTask> tasks;
  // Given up, and not yet let go by the agent; since when.
  std::map<std::pair<std::int64_t, std::int32_t>, double> draining;
  std::vector<wire::KnownTaskT> known;  // by the agent, when it connected
  std::unique_ptr<asio::steady_timer> lost_timer;
  std::unique_ptr<asio::steady_timer> gone_timer;
};

}  // namespace convoy::hil
