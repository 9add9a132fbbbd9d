#pragma once

// The world's nodes and network in SimGrid: hosts, links, routes, background load. Internal to
// sim/world.

#include <functional>
#include <map>
#include <memory>
#include <simgrid/s4u.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/task/graph.hpp"
#include "sim/world/config.hpp"
#include "sim/world/on_demand.hpp"
#include "sim/world/variation.hpp"

namespace convoy::sim {

// One second at a node's nominal speed is this much work of an Exec.
constexpr double units_per_second = 1e9;

// Calls a function at a virtual time.
using At = std::function<void(double time, std::function<void()>)>;

class Platform {
 public:
  // Creates SimGrid's engine. `activities`: SimGrid carries them out, in a star (node - its link -
  // [shared link] - hub) of which a node gets its host, links and routes when it first works; else
  // SimGrid only keeps the clock, and the platform follows the nodes' speeds. `after`: later than
  // what SimGrid does at that time. `config` must live as long as the platform.
  Platform(const WorldConfig& config, bool activities, At at, At after);

  [[nodiscard]] simgrid::s4u::Engine& engine() { return *engine_; }
  // Where SimGrid carries out activities.
  [[nodiscard]] simgrid::s4u::Host* host(NodeId node) { return nodes_[node].host; }
  // Hosts that there are in SimGrid.
  [[nodiscard]] std::size_t hosts() const { return activities_ ? nodes_.made() : 0; }

  // Latency that is not in SimGrid's routes, s: of omitted links, and of a trace the part above its
  // lowest value. (SimGrid cannot change a link's latency without affecting flows under way.)
  [[nodiscard]] double left_out_latency(NodeId from, NodeId to) const;

  // Begin and end of an activity: changes over time are followed only in between. The activity is
  // suspended while a rate on its way is 0. `started`: it has really begun.
  void transfer_begins(NodeId from, NodeId to, simgrid::s4u::Activity* comm);
  // `guaranteed`: bytes/s that it has at least (flow_weight.hpp); 0: nothing.
  void transfer_started(NodeId from, NodeId to, simgrid::s4u::Activity* comm, double guaranteed);
  void transfer_ends(NodeId from, NodeId to, simgrid::s4u::Activity* comm);

  // Only of nodes whose speed varies. `changed`: called when the speed (relative to nominal)
  // changes meanwhile.
  void compute_begins(NodeId node, const std::function<void(double)>& changed);
  void compute_started(NodeId node, simgrid::s4u::Activity* exec);
  void compute_ends(NodeId node);
  // At present, relative to nominal: while it computes.
  [[nodiscard]] double speed(NodeId node) const { return nodes_[node].varying->now; }

 private:
  // A link with varying capacity. SimGrid fixes a flow's bound at its start, so the link is created
  // with its peak, and a non-linear policy gives its present capacity.
  struct VaryingLink {
    simgrid::s4u::Link* link = nullptr;
    double peak = 0;  // bytes/s
    Variation rate;
    double capacity = 0;  // at present; 0: flows are suspended
    int users = 0;
    bool armed = false;
  };
  struct Flow {
    simgrid::s4u::Activity* comm = nullptr;
    std::vector<VaryingLink*> path;
    simgrid::kernel::resource::Action* action = nullptr;  // once it has started
    double penalty = 0;                                   // of its guarantee; 0: it has none
    double moves_from = 0;  // start of the data phase; before: latency
    bool stands_still = false;
  };
  // Varying links in both directions of a node or shared link; null: constant.
  struct Port {
    VaryingLink* up = nullptr;
    VaryingLink* down = nullptr;
  };
  struct Ends {
    simgrid::s4u::Link* up = nullptr;
    simgrid::s4u::Link* down = nullptr;
  };
  struct VaryingHost {
    Variation speed;             // 1: nominal
    std::vector<double> levels;  // of the host: its pstates
    double now = 1;
    simgrid::s4u::Activity* exec = nullptr;  // running there
    bool computing = false;
    bool armed = false;
    std::function<void(double)> changed;
  };

  struct Node {
    simgrid::s4u::Host* host = nullptr;    // null: SimGrid only keeps the clock
    std::unique_ptr<VaryingHost> varying;  // null: constant speed
    Port port;
    int shared = -1;
    bool has_shared_ways = false;  // links that several flows may use, the server's apart
    SignalPointer latency;         // of its trace
  };

  void create_engine(NetworkModel model);
  Ends create_link(const std::string& name, const platforms::Link& link,
                   const std::optional<BackgroundLoad>& traffic, const Behaviour& behaviour,
                   Port& port);
  simgrid::s4u::Link* create_one(const std::string& name, const Variation& bytes_per_s,
                                 double latency, VaryingLink*& varying);
  [[nodiscard]] Node create_node(NodeId id);
  void create_host(NodeId id, std::vector<double> levels, Node& node);
  void create_links(NodeId id, const NodeConfig& config, Node& node);
  void use(VaryingLink* link, int change);
  void follow(VaryingLink& link);
  void follow(NodeId node);
  void set_speed(NodeId node, double speed);
  void hold_or_release(std::uint64_t id);
  // Of a flow, at the end of its latency: SimGrid has given it its usual penalty.
  void begins_to_move(std::uint64_t id);
  template <class Visit>
  void on_path(NodeId from, NodeId to, Visit visit);

  At at_;
  At after_;
  const WorldConfig& config_;
  bool lv08_;
  bool activities_;
  bool server_left_out_ = false;
  simgrid::s4u::Engine* engine_ = nullptr;
  simgrid::s4u::NetZone* zone_ = nullptr;
  OnDemand<Node> nodes_;
  std::vector<Ends> shared_;
  std::vector<Port> shared_ports_;
  std::vector<std::unique_ptr<VaryingLink>> varying_links_;
  std::map<std::uint64_t, Flow> flows_;  // over varying or shared links, or guaranteed; by start
  std::unordered_map<simgrid::s4u::Activity*, std::uint64_t> flow_of_;
  std::uint64_t next_flow_ = 0;
  double server_latency_ = 0;  // of the server's link, where it was left out
};

}  // namespace convoy::sim
