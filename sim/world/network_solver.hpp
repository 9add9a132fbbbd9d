#pragma once

// Which solver computes the rates of transfers: SimGrid's, or the star's (star_network.hpp). Pure;
// sim/scenario uses it, too. For the same transfers both give the same rates; where many flows of
// different speeds share a link, SimGrid's takes time in proportion to their number at each event.

#include <stdexcept>
#include <string>

#include "sim/world/config.hpp"
#include "sim/world/variation.hpp"

namespace convoy::sim {

// The server's link has room for all that the other nodes together can ask: it is left out.
inline bool server_cannot_bind(const WorldConfig& config) {
  const NodeConfig& server = config.nodes.front();
  if (server.behaviour.traffic || server.behaviour.trace || server.shared_link >= 0) return false;
  // LV08 multiplies the latency of routes; it would not multiply one kept outside.
  if (config.network != NetworkModel::cm02) return false;
  const auto most = [](const NodeConfig& node, platforms::Column column, double bps) {
    const auto signal = signal_of(node.behaviour, column, bps);
    return signal ? signal->highest() : bps;
  };
  double down = 0;  // total that all other nodes could request, bit/s
  double up = 0;
  for (std::size_t i = 1; i < config.nodes.size(); ++i) {
    const platforms::Link& link = config.nodes[i].link;
    down += most(config.nodes[i], platforms::Column::down_bps, link.down_bps);
    up += most(config.nodes[i], platforms::Column::up_bps, link.up_bps);
  }
  if (server.link.duplex == platforms::Duplex::half) {
    return server.link.up_bps >= down + up;
  }
  return server.link.up_bps >= down && server.link.down_bps >= up;
}

// Why the star solver is not for this network, for people; "": it is.
inline std::string why_no_star(const WorldConfig& config) {
  if (config.network != NetworkModel::cm02) {
    return "with network.model = \"lv08\" each transfer also takes a part of the other direction "
           "of its links";
  }
  if (config.nodes.size() <= 1 || server_cannot_bind(config)) return "";
  for (std::size_t i = 0; i < config.nodes.size(); ++i) {
    const NodeConfig& node = config.nodes[i];
    if (node.shared_link < 0) continue;
    return "transfers of node \"" + node.name.of(static_cast<NodeId>(i)) +
           "\" share two links, the server's and \"" +
           config.shared_links[static_cast<std::size_t>(node.shared_link)].name +
           "\", and either may be full";
  }
  return "";
}

struct SolverChoice {
  bool is_star = false;
  std::string why;  // for people
};

// Throws std::invalid_argument if the star's is asked for and is not for this network.
inline SolverChoice choose_solver(const WorldConfig& config) {
  const std::string as_asked = "as the scenario asks";
  if (config.solver == NetworkSolver::simgrid) return {false, as_asked};
  const std::string obstacle = why_no_star(config);
  const bool is_asked_for = config.solver == NetworkSolver::star;
  if (is_asked_for && !obstacle.empty()) throw std::invalid_argument(obstacle);
  if (is_asked_for) return {true, as_asked};
  if (!obstacle.empty()) return {false, "since " + obstacle};
  return {true, "since each transfer shares one link at most"};
}

// For people: the model, whether the server's link is left out, the solver and why.
inline std::string network_text(const WorldConfig& config) {
  std::string text = config.network == NetworkModel::cm02
                         ? "CM02, without TCP factors or cross traffic"
                         : "LV08: latency x 13.01, bandwidth x 0.97, cross traffic";
  if (config.nodes.size() > 1 && server_cannot_bind(config)) {
    text += "; the server's link cannot bind and is left out of the routes";
  }
  const SolverChoice choice = choose_solver(config);
  return text + (choice.is_star ? "; solver: star, " : "; solver: simgrid, ") + choice.why;
}

}  // namespace convoy::sim
