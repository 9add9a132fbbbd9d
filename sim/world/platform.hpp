#pragma once

// The SimGrid side of a world's nodes and network: hosts, links, routes, and the background that
// makes them slower. Internal to sim/world.

#include <functional>
#include <memory>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

#include "sim/task/graph.hpp"
#include "sim/world/config.hpp"
#include "sim/world/cycle.hpp"

namespace convoy::sim {

// Work of an Exec: this many units are one second at a node's nominal speed.
constexpr double units_per_second = 1e9;

// Calls back at a virtual time.
using At = std::function<void(double time, std::function<void()>)>;

class Platform {
 public:
  // A star: node - its link - [shared link] - hub. Creates SimGrid's engine if there is none yet.
  Platform(const WorldConfig& config, At at);

  [[nodiscard]] simgrid::s4u::Engine& engine() { return *engine_; }
  [[nodiscard]] simgrid::s4u::Host* host(NodeId node) const {
    return hosts_[static_cast<std::size_t>(node)];
  }

  // Latency of links on the way that were left out of the routes, s.
  [[nodiscard]] double left_out_latency(NodeId from, NodeId to) const;

  // Background traffic moves only while somebody transfers.
  void transfer_begins(NodeId from, NodeId to);
  void transfer_ends(NodeId from, NodeId to);

  // Background load moves only while the node computes. `changed` is told of a change under way,
  // with the speed relative to nominal.
  void compute_begins(NodeId node, const std::function<void(double)>& changed);
  void compute_ends(NodeId node);

  [[nodiscard]] std::string description() const { return description_; }

 private:
  // A link whose capacity changes. SimGrid freezes a flow's bound at its start, so the link is
  // created at its peak, and a non-linear policy says what it carries now.
  struct VaryingLink {
    simgrid::s4u::Link* link = nullptr;
    double peak = 0;  // bytes/s
    BackgroundLoad load;
    double capacity = 0;  // now
    int users = 0;
    bool armed = false;
  };
  // The varying links in a node's or shared link's two directions, or null.
  struct Port {
    VaryingLink* up = nullptr;
    VaryingLink* down = nullptr;
  };
  struct Ends {
    simgrid::s4u::Link* up = nullptr;
    simgrid::s4u::Link* down = nullptr;
  };
  struct VaryingHost {
    BackgroundLoad load;
    bool computing = false;
    bool armed = false;
    std::function<void(double)> changed;
  };

  void create_engine(NetworkModel model);
  Ends create_link(const std::string& name, const platforms::Link& link,
                   const std::optional<BackgroundLoad>& traffic, Port& port);
  simgrid::s4u::Link* create_one(const std::string& name, double bps, double latency,
                                 const std::optional<BackgroundLoad>& traffic,
                                 VaryingLink*& varying);
  void create_node(NodeId id, const NodeConfig& node, const std::vector<Ends>& shared);
  void use(VaryingLink* link, int change);
  void follow(VaryingLink& link);
  void follow(NodeId node);
  [[nodiscard]] bool server_cannot_bind(const WorldConfig& config) const;
  template <class Visit>
  void on_path(NodeId from, NodeId to, Visit visit);

  At at_;
  simgrid::s4u::Engine* engine_ = nullptr;
  simgrid::s4u::NetZone* zone_ = nullptr;
  std::vector<simgrid::s4u::Host*> hosts_;
  std::vector<Port> ports_;
  std::vector<Port> shared_ports_;
  std::vector<int> shared_of_;
  std::vector<std::unique_ptr<VaryingLink>> varying_links_;
  std::vector<std::unique_ptr<VaryingHost>> varying_hosts_;  // by node; null: constant speed
  double server_latency_ = 0;  // of the server's link, where it was left out
  std::string description_;
};

}  // namespace convoy::sim
