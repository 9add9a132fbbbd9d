#include "hil/bridge/peer_log.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace convoy::hil {

void PeerLog::warn(const std::string& kind, const std::string& line) {
  if (const auto told = log_.tell(kind, line, steady_seconds())) spdlog::warn("{}", *told);
}

void PeerLog::warn(const Peer& peer, const std::string& what) {
  const std::string node = "node " + roster_.name_of(peer.node);
  warn(node, fmt::format("{}: {}", node, what));
}

void PeerLog::info(const std::string& kind, const std::string& line) {
  if (const auto told = log_.tell(kind, line, steady_seconds())) spdlog::info("{}", *told);
}

void PeerLog::tell_overdue() {
  for (const std::string& line : log_.overdue(steady_seconds())) spdlog::warn("{}", line);
}

}  // namespace convoy::hil
