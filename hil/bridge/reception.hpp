#pragma once

// Turns a connected agent into a real node of the run: finds its node, its session and its setup,
// and checks the data that it reports. Internal to hil/bridge; used by the bridge's thread only.

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "hil/bridge/bridge.hpp"
#include "hil/bridge/peer_log.hpp"
#include "hil/bridge/peer_presence.hpp"
#include "hil/bridge/sessions.hpp"

namespace convoy::hil {

class Reception {
 public:
  Reception(const sim::Scenario& scenario, const BridgeOptions& options, Roster& roster,
            Peers& peers, PeerPresence& presence, PeerLog& log);

  // Handles a new agent. `listen`: installs the connection's handlers. Refuses the agent if no node
  // is free for it, another agent has its name, or the run has gone on without it.
  void greet(const std::shared_ptr<Connection>& connection, const wire::HelloT& hello,
             const std::function<void(Peer&)>& listen);
  // The agent is set up and reports its number of samples and perhaps its device's profile. True:
  // the node takes part from now on; false: it did already, or cannot.
  bool check_in(Peer& peer, std::int64_t samples, const std::string& profile);

  // The run owns its folder now: before, another run's files in it must not be touched.
  void folder_is_ours();

 private:
  void welcome(Peer& peer);
  [[nodiscard]] std::int64_t part_of(const Peer& peer) const;
  [[nodiscard]] std::int64_t most_samples(const Peer& peer) const;
  void keep_sessions() const;
  void keep_profile(const Peer& peer) const;

  const sim::Scenario& scenario_;
  const BridgeOptions& options_;
  Roster& roster_;
  Peers& peers_;
  PeerPresence& presence_;
  PeerLog& log_;
  const std::string setup_;      // engine setup as text
  const std::string signature_;  // hash of the data set
  Sessions sessions_;
  std::set<std::string> unplaced_agents_;  // warned about once
  bool is_ours_ = false;                   // the run owns its folder
};

// Handlers that ignore everything, for a connection that is no longer used.
Connection::Handlers nobody();

}  // namespace convoy::hil
