#pragma once

// What is told of what an agent, or whoever is none, can cause as often as it likes: now and then.
// Internal to hil/bridge.

#include <string>

#include "base/sparing_log.hpp"
#include "hil/bridge/peer.hpp"
#include "hil/bridge/roster.hpp"

namespace convoy::hil {

class PeerLog {
 public:
  explicit PeerLog(const Roster& roster) : roster_(roster) {}

  // Lines of one `kind` keep each other back.
  void warn(const std::string& kind, const std::string& line);
  void warn(const Peer& peer, const std::string& what);
  void info(const std::string& kind, const std::string& line);
  // Of what was kept back for long enough.
  void tell_overdue();

 private:
  const Roster& roster_;
  base::SparingLog log_;
};

}  // namespace convoy::hil
