#include "sim/world/platform.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "sim/world/flow_weight.hpp"
#include "sim/world/lone_transfer.hpp"
#include "sim/world/network_solver.hpp"
#include "sim/world/open_zone.hpp"
#include "sim/world/simgrid_version.hpp"
#include "sim/world/standstill.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {
namespace sg = simgrid::s4u;
namespace {

double bytes_per_s(double bps) { return bps / 8; }

// The speeds that a host may have, of which SimGrid allows none to be 0; falling.
std::vector<double> pstates(const Variation& speed, const Behaviour& behaviour) {
  std::vector<double> levels = speed.levels(behaviour.trace.get(), platforms::Column::speed);
  std::erase(levels, 0.0);
  std::reverse(levels.begin(), levels.end());
  if (levels.empty()) levels.push_back(1);
  return levels;
}

}  // namespace

void Platform::create_engine(NetworkModel model) {
  // Sets all options that affect the network. Latency does not limit a flow's rate (no TCP-gamma),
  // since the limit would also change during the flow.
  std::vector<std::string> arguments = {"convoy", "--log=root.thres:critical",
                                        "--cfg=network/TCP-gamma:1e15"};
  if (model == NetworkModel::cm02) {
    arguments.insert(arguments.end(), {"--cfg=network/model:CM02", "--cfg=network/crosstraffic:0"});
  } else {
    arguments.emplace_back("--cfg=network/model:LV08");
  }
  std::vector<char*> raw;
  raw.reserve(arguments.size() + 1);
  for (std::string& a : arguments) raw.push_back(a.data());
  int count = static_cast<int>(raw.size());
  raw.push_back(nullptr);
  static std::unique_ptr<sg::Engine> engine;  // one per process, as long as the process
  // SimGrid installs its own SIGINT handler, which ends the process: restore the former one.
  struct sigaction before {};
  ::sigaction(SIGINT, nullptr, &before);
  engine = std::make_unique<sg::Engine>(&count, raw.data());
  ::sigaction(SIGINT, &before, nullptr);
  engine_ = engine.get();
  sg::NetZone* const root = star_zone("root");
  root->seal();
  // Made after what SimGrid itself does at exit was set, so that it goes before.
  static std::unique_ptr<OpenZone> zone;
  zone = std::make_unique<OpenZone>("convoy", *root);
  zone_ = zone->get_iface();
}

std::string simgrid_version() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  sg_version_get(&major, &minor, &patch);
  return fmt::format("{}.{}.{}", major, minor, patch);
}

Platform::Platform(const WorldConfig& config, bool activities, At at, At after)
    : at_(std::move(at)),
      after_(std::move(after)),
      config_(config),
      lv08_(config.network == NetworkModel::lv08),
      activities_(activities),
      nodes_(config.nodes.size(), [this](NodeId id) { return create_node(id); }) {
  create_engine(config.network);
  if (!activities) return;
  shared_ports_.resize(config.shared_links.size());
  for (std::size_t i = 0; i < config.shared_links.size(); ++i) {
    const SharedLinkConfig& link = config.shared_links[i];
    shared_.push_back(
        create_link("shared " + link.name, link.link, link.traffic, {}, shared_ports_[i]));
  }
  server_left_out_ = config.nodes.size() > 1 && server_cannot_bind(config);
  if (server_left_out_) server_latency_ = config.nodes.front().link.latency_s;
}

sg::Link* Platform::create_one(const std::string& name, const Variation& bps, double latency,
                               VaryingLink*& varying) {
  // SimGrid rejects a capacity of 0: a link whose trace is always 0 gets 1 byte/s.
  const double peak = bps.peak() > 0 ? bytes_per_s(bps.peak()) : 1.0;
  sg::Link* link = add_link(zone_, name, peak)->set_latency(latency);
  if (!bps.is_constant()) {
    varying_links_.push_back(std::make_unique<VaryingLink>(VaryingLink{link, peak, bps, peak}));
    varying = varying_links_.back().get();
    VaryingLink* self = varying;
    // Suspended flows get no share. SimGrid rejects a capacity of 0, so report the peak instead.
    link->set_sharing_policy(sg::Link::SharingPolicy::NONLINEAR, [self](double, int) {
      return self->capacity > 0 ? self->capacity : self->peak;
    });
  }
  link->seal();
  return link;
}

Platform::Ends Platform::create_link(const std::string& name, const platforms::Link& link,
                                     const std::optional<BackgroundLoad>& traffic,
                                     const Behaviour& behaviour, Port& port) {
  using platforms::Column;
  const Variation up = rate_of(link.up_bps, behaviour, Column::up_bps, traffic);
  if (link.duplex == platforms::Duplex::half) {
    // Half duplex: one rate for both directions, from the column that the trace has.
    const bool only_down = behaviour.trace && !behaviour.trace->has(Column::up_bps);
    const Variation down = rate_of(link.up_bps, behaviour, Column::down_bps, traffic);
    sg::Link* both = create_one(name, only_down ? down : up, link.latency_s, port.up);
    port.down = port.up;
    return {both, both};
  }
  const Variation down = rate_of(link.down_bps, behaviour, Column::down_bps, traffic);
  return {create_one(name + " up", up, link.latency_s, port.up),
          create_one(name + " down", down, link.latency_s, port.down)};
}

Platform::Node Platform::create_node(NodeId id) {
  const NodeConfig& config = config_.nodes[id];
  const Behaviour& behaviour = config.behaviour;
  Node node;
  const Variation speed(1, signal_of(behaviour, platforms::Column::speed, 1), behaviour.load);
  if (!speed.is_constant()) node.varying = std::make_unique<VaryingHost>(VaryingHost{speed, {}});
  if (!activities_) return node;
  create_host(id, pstates(speed, behaviour), node);
  create_links(id, config, node);
  node.host->seal();
  return node;
}

void Platform::create_host(NodeId id, std::vector<double> levels, Node& node) {
  std::vector<double> speeds;
  speeds.reserve(levels.size());
  for (const double level : levels) speeds.push_back(units_per_second * level);
  // Names within SimGrid are numbers: two nodes of a scenario may not share one there.
  node.host = add_host(zone_, std::to_string(id), speeds);
  if (!node.varying) return;
  node.varying->now = levels.front();
  node.varying->levels = std::move(levels);
}

void Platform::create_links(NodeId id, const NodeConfig& config, Node& node) {
  if (id == server_node && server_left_out_) {
    add_route(zone_, node.host, nullptr, {}, true);
    return;
  }
  const Behaviour& behaviour = config.behaviour;
  node.latency = signal_of(behaviour, platforms::Column::latency_s, config.link.latency_s);
  platforms::Link link = config.link;
  if (node.latency) link.latency_s = node.latency->lowest();
  const Ends own = create_link(std::to_string(id), link, behaviour.traffic, behaviour, node.port);
  std::vector<sg::LinkInRoute> up = {sg::LinkInRoute(own.up)};
  std::vector<sg::LinkInRoute> down;
  node.shared = config.shared_link;
  // Of the server's link, too, but that is the first or the last of a route. Where it is the last,
  // the first is the other node's, which no other flow uses.
  node.has_shared_ways = config.shared_link >= 0 ||
                         (id != server_node && (config.link.duplex == platforms::Duplex::half ||
                                                config.concurrent_transfers != 1));
  if (config.shared_link >= 0) {
    const Ends& medium = shared_[static_cast<std::size_t>(config.shared_link)];
    up.emplace_back(medium.up);
    down.emplace_back(medium.down);
  }
  down.emplace_back(own.down);
  add_route(zone_, node.host, nullptr, up, false);
  add_route(zone_, nullptr, node.host, down, false);
}

double Platform::left_out_latency(NodeId from, NodeId to) const {
  double latency = from == server_node || to == server_node ? server_latency_ : 0;
  for (const NodeId end : {from, to}) {
    const SignalPointer& trace = nodes_[end].latency;
    if (trace) latency += trace->at(sg::Engine::get_clock()).value - trace->lowest();
  }
  return latency;
}

template <class Visit>
void Platform::on_path(NodeId from, NodeId to, Visit visit) {
  if (varying_links_.empty()) return;
  const auto port_of = [&](NodeId node) { return nodes_[node].port; };
  const auto shared_port = [&](NodeId node) {
    const int shared = nodes_[node].shared;
    return shared < 0 ? Port{} : shared_ports_[static_cast<std::size_t>(shared)];
  };
  for (VaryingLink* link :
       {port_of(from).up, shared_port(from).up, shared_port(to).down, port_of(to).down}) {
    if (link != nullptr) visit(link);
  }
}

void Platform::transfer_begins(NodeId from, NodeId to, sg::Activity* comm) {
  Flow flow;
  on_path(from, to, [&](VaryingLink* link) {
    use(link, +1);
    flow.path.push_back(link);
  });
  if (flow.path.empty()) return;
  flow.comm = comm;
  flow_of_[comm] = next_flow_;
  flows_[next_flow_++] = std::move(flow);
}

void Platform::transfer_started(NodeId from, NodeId to, sg::Activity* comm, double guaranteed) {
  const bool is_shared = nodes_[from].has_shared_ways || nodes_[to].has_shared_ways;
  auto place = flow_of_.find(comm);
  if (place == flow_of_.end()) {
    if (guaranteed <= 0 && !is_shared) return;
    place = flow_of_.emplace(comm, next_flow_).first;
    flows_[next_flow_++].comm = comm;
  }
  const std::uint64_t id = place->second;
  Flow& flow = flows_.at(id);
  flow.action = &sim::flow_of(*comm);
  std::vector<sg::Link*> route;
  double latency = 0;
  nodes_[from].host->route_to(nodes_[to].host, route, &latency);
  flow.moves_from = sg::Engine::get_clock() + latency * (lv08_ ? lv08_latency_factor : 1);
  if (guaranteed > 0) flow.penalty = penalty_of_guarantee(guaranteed);
  note_penalty(*flow.action, usual_penalty(route, latency, lv08_));
  if (latency > 0) {
    after_(flow.moves_from, [this, id] { begins_to_move(id); });
  } else if (flow.penalty > 0) {
    set_penalty(*flow.action, flow.penalty);
  }
  hold_or_release(id);
}

void Platform::begins_to_move(std::uint64_t id) {
  const auto found = flows_.find(id);
  if (found == flows_.end()) return;
  const Flow& flow = found->second;
  if (flow.comm->get_state() != sg::Activity::State::STARTED) return;
  if (flow.penalty > 0) {
    set_penalty(*flow.action, flow.penalty);
  } else if (!flow.stands_still) {
    look_at_all_links(*flow.action);
  }
}

void Platform::transfer_ends(NodeId from, NodeId to, sg::Activity* comm) {
  if (const auto id = flow_of_.find(comm); id != flow_of_.end()) {
    flows_.erase(id->second);
    flow_of_.erase(id);
  }
  on_path(from, to, [&](VaryingLink* link) { use(link, -1); });
}

void Platform::hold_or_release(std::uint64_t id) {
  const auto found = flows_.find(id);
  if (found == flows_.end() || found->second.action == nullptr) return;
  Flow& flow = found->second;
  const bool blocked = std::any_of(flow.path.begin(), flow.path.end(),
                                   [](const VaryingLink* link) { return link->capacity <= 0; });
  if (blocked == flow.stands_still) return;
  if (blocked && sg::Engine::get_clock() < flow.moves_from) {
    // If suspended during its latency, a flow would lose the rest of the latency in SimGrid.
    at_(flow.moves_from, [this, id] { hold_or_release(id); });
    return;
  }
  flow.stands_still = blocked;
  if (blocked) {
    stop(*flow.comm);
    return;
  }
  go_on(*flow.comm);
  look_at_all_links(*flow.action);
}

void Platform::use(VaryingLink* link, int change) {
  link->users += change;
  if (change > 0 && !link->armed) follow(*link);
}

void Platform::follow(VaryingLink& link) {
  if (link.users == 0) return;
  const platforms::Signal::Step step = link.rate.at(sg::Engine::get_clock());
  const double capacity = bytes_per_s(step.value);
  if (capacity != link.capacity) {
    link.capacity = capacity;
    link.link->set_bandwidth(link.peak);  // same value, but makes SimGrid solve again
    for (const auto& [id, flow] : flows_) {
      if (std::find(flow.path.begin(), flow.path.end(), &link) != flow.path.end()) {
        hold_or_release(id);
      }
    }
  }
  link.armed = true;
  at_(step.until, [this, &link] {
    link.armed = false;
    follow(link);
  });
}

void Platform::compute_begins(NodeId node, const std::function<void(double)>& changed) {
  VaryingHost& host = *nodes_[node].varying;
  host.computing = true;
  host.changed = nullptr;  // no report at the start
  if (!host.armed) follow(node);
  host.changed = changed;
}

void Platform::compute_started(NodeId node, sg::Activity* exec) {
  VaryingHost& host = *nodes_[node].varying;
  host.exec = exec;
  if (host.now <= 0) stop(*exec);
}

void Platform::compute_ends(NodeId node) {
  VaryingHost& host = *nodes_[node].varying;
  host.computing = false;
  host.exec = nullptr;
}

void Platform::set_speed(NodeId node, double speed) {
  VaryingHost& host = *nodes_[node].varying;
  if (speed == host.now) return;
  const bool stood_still = host.now <= 0;
  host.now = speed;
  if (speed > 0 && activities_) {
    const auto level =
        std::lower_bound(host.levels.begin(), host.levels.end(), speed, std::greater<>());
    nodes_[node].host->set_pstate(static_cast<unsigned long>(level - host.levels.begin()));
  }
  if (host.exec != nullptr && stood_still != (speed <= 0)) {
    if (stood_still) {
      go_on(*host.exec);
    } else {
      stop(*host.exec);
    }
  }
  if (host.changed) host.changed(speed);
}

void Platform::follow(NodeId node) {
  VaryingHost& host = *nodes_[node].varying;
  if (!host.computing) return;
  const platforms::Signal::Step step = host.speed.at(sg::Engine::get_clock());
  set_speed(node, step.value);
  host.armed = true;
  at_(step.until, [this, node] {
    nodes_[node].varying->armed = false;
    follow(node);
  });
}

}  // namespace convoy::sim
