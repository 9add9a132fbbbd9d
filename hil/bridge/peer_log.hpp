#pragma once

// Rate-limited logging of events that a peer can cause in any number. Internal to hil/bridge.

#include <string>

#include "base/sparing_log.hpp"
#include "hil/bridge/peer.hpp"
#include "hil/bridge/roster.hpp"

namespace convoy::hil {

class PeerLog {
 public:
  explicit PeerLog(const Roster& roster) : roster_(roster) {}

  // Lines of the same `kind` share one limit.
  void warn(const std::string& kind, const std::string& line);
  void warn(const Peer& peer, const std::string& what);
  void info(const std::string& kind, const std::string& line);
  // Logs the suppressed lines whose pause is over.
  void tell_overdue();

 private:
  const Roster& roster_;
  base::SparingLog log_;
};

}  // namespace convoy::hil
