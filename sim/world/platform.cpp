#include "sim/world/platform.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

namespace convoy::sim {
namespace sg = simgrid::s4u;
namespace {

double bytes_per_s(double bps) { return bps / 8; }

// The rate that is left of a constant background load.
double left_of(double rate, const std::optional<BackgroundLoad>& load) {
  return load && load->period_s <= 0 ? rate * (1 - load->share) : rate;
}

bool is_periodic(const std::optional<BackgroundLoad>& load) {
  return load && load->period_s > 0 && load->share > 0;
}

}  // namespace

void Platform::create_engine(NetworkModel model) {
  // Everything that shapes the network is set here on purpose; a flow's rate is never bound by its
  // latency (TCP-gamma), which would also change under way.
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
  // SimGrid takes SIGINT for itself and ends the process; whoever had it keeps it.
  struct sigaction before {};
  ::sigaction(SIGINT, nullptr, &before);
  engine = std::make_unique<sg::Engine>(&count, raw.data());
  ::sigaction(SIGINT, &before, nullptr);
  engine_ = engine.get();
}

bool Platform::server_cannot_bind(const WorldConfig& config) const {
  const NodeConfig& server = config.nodes.front();
  if (server.behaviour.traffic || server.shared_link >= 0) return false;
  // LV08 stretches the latency of a route; one kept apart from it would not be stretched.
  if (config.network != NetworkModel::cm02) return false;
  double down = 0;  // what all the others together could ask for
  double up = 0;
  for (std::size_t i = 1; i < config.nodes.size(); ++i) {
    down += config.nodes[i].link.down_bps;
    up += config.nodes[i].link.up_bps;
  }
  if (server.link.duplex == platforms::Duplex::half) {
    return server.link.up_bps >= down + up;
  }
  return server.link.up_bps >= down && server.link.down_bps >= up;
}

Platform::Platform(const WorldConfig& config, At at) : at_(std::move(at)) {
  create_engine(config.network);
  zone_ = sg::create_star_zone("convoy");
  description_ = config.network == NetworkModel::cm02
                     ? "CM02, without TCP factors or cross traffic"
                     : "LV08: latency x 13.01, bandwidth x 0.97, cross traffic";
  std::vector<Ends> shared;
  shared_ports_.resize(config.shared_links.size());
  for (std::size_t i = 0; i < config.shared_links.size(); ++i) {
    const SharedLinkConfig& link = config.shared_links[i];
    shared.push_back(create_link("shared " + link.name, link.link, link.traffic, shared_ports_[i]));
  }
  const bool left_out = config.nodes.size() > 1 && server_cannot_bind(config);
  if (left_out) {
    server_latency_ = config.nodes.front().link.latency_s;
    description_ += "; the server's link cannot bind and is left out of the routes";
  }
  const auto count = config.nodes.size();
  hosts_.resize(count);
  ports_.resize(count);
  shared_of_.resize(count);
  varying_hosts_.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (i == 0 && left_out) {
      hosts_[0] = zone_->create_host("0", units_per_second);
      zone_->add_route(hosts_[0]->get_netpoint(), nullptr, nullptr, nullptr,
                       std::vector<sg::LinkInRoute>{}, true);
      hosts_[0]->seal();
      shared_of_[0] = -1;
      continue;
    }
    create_node(id, config.nodes[i], shared);
  }
  zone_->seal();
}

sg::Link* Platform::create_one(const std::string& name, double bps, double latency,
                               const std::optional<BackgroundLoad>& traffic,
                               VaryingLink*& varying) {
  const double rate = left_of(bytes_per_s(bps), traffic);
  sg::Link* link = zone_->create_link(name, rate)->set_latency(latency);
  if (is_periodic(traffic)) {
    varying_links_.push_back(std::make_unique<VaryingLink>());
    varying = varying_links_.back().get();
    *varying = {link, rate, *traffic, rate, 0, false};
    VaryingLink* self = varying;
    link->set_sharing_policy(sg::Link::SharingPolicy::NONLINEAR,
                             [self](double, int) { return self->capacity; });
  }
  link->seal();
  return link;
}

Platform::Ends Platform::create_link(const std::string& name, const platforms::Link& link,
                                     const std::optional<BackgroundLoad>& traffic, Port& port) {
  if (link.duplex == platforms::Duplex::half) {
    sg::Link* both = create_one(name, link.up_bps, link.latency_s, traffic, port.up);
    port.down = port.up;
    return {both, both};
  }
  return {create_one(name + " up", link.up_bps, link.latency_s, traffic, port.up),
          create_one(name + " down", link.down_bps, link.latency_s, traffic, port.down)};
}

void Platform::create_node(NodeId id, const NodeConfig& node, const std::vector<Ends>& shared) {
  const auto index = static_cast<std::size_t>(id);
  const std::optional<BackgroundLoad>& load = node.behaviour.load;
  const double speed = left_of(units_per_second, load);
  std::vector<double> speeds = {speed};
  if (is_periodic(load)) {
    speeds.push_back(speed * (1 - load->share));
    varying_hosts_[index] = std::make_unique<VaryingHost>();
    varying_hosts_[index]->load = *load;
  }
  // Names within SimGrid are numbers: two nodes of a scenario may not share one there, and 100,000
  // long names take room.
  sg::Host* host = zone_->create_host(std::to_string(id), speeds);
  const Ends own =
      create_link(std::to_string(id), node.link, node.behaviour.traffic, ports_[index]);
  std::vector<sg::LinkInRoute> up = {sg::LinkInRoute(own.up)};
  std::vector<sg::LinkInRoute> down;
  shared_of_[index] = node.shared_link;
  if (node.shared_link >= 0) {
    const Ends& medium = shared[static_cast<std::size_t>(node.shared_link)];
    up.emplace_back(medium.up);
    down.emplace_back(medium.down);
  }
  down.emplace_back(own.down);
  zone_->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, up, false);
  zone_->add_route(nullptr, host->get_netpoint(), nullptr, nullptr, down, false);
  host->seal();
  hosts_[index] = host;
}

double Platform::left_out_latency(NodeId from, NodeId to) const {
  return from == server_node || to == server_node ? server_latency_ : 0;
}

template <class Visit>
void Platform::on_path(NodeId from, NodeId to, Visit visit) {
  if (varying_links_.empty()) return;
  const auto port_of = [&](NodeId node) { return ports_[static_cast<std::size_t>(node)]; };
  const auto shared_port = [&](NodeId node) {
    const int shared = shared_of_[static_cast<std::size_t>(node)];
    return shared < 0 ? Port{} : shared_ports_[static_cast<std::size_t>(shared)];
  };
  for (VaryingLink* link :
       {port_of(from).up, shared_port(from).up, shared_port(to).down, port_of(to).down}) {
    if (link != nullptr) visit(link);
  }
}

void Platform::transfer_begins(NodeId from, NodeId to) {
  on_path(from, to, [&](VaryingLink* link) { use(link, +1); });
}

void Platform::transfer_ends(NodeId from, NodeId to) {
  on_path(from, to, [&](VaryingLink* link) { use(link, -1); });
}

void Platform::use(VaryingLink* link, int change) {
  link->users += change;
  if (change > 0 && !link->armed) follow(*link);
}

void Platform::follow(VaryingLink& link) {
  if (link.users == 0) return;
  const CyclePhase phase = phase_at(link.load, sg::Engine::get_clock());
  const double capacity = phase.busy ? link.peak * (1 - link.load.share) : link.peak;
  if (capacity != link.capacity) {
    link.capacity = capacity;
    link.link->set_bandwidth(link.peak);  // no change, but makes SimGrid solve again
  }
  link.armed = true;
  at_(phase.until, [this, &link] {
    link.armed = false;
    follow(link);
  });
}

void Platform::compute_begins(NodeId node, const std::function<void(double)>& changed) {
  VaryingHost* host = varying_hosts_[static_cast<std::size_t>(node)].get();
  if (host == nullptr) return;
  host->computing = true;
  host->changed = nullptr;  // no news at the start
  if (!host->armed) follow(node);
  host->changed = changed;
}

void Platform::compute_ends(NodeId node) {
  VaryingHost* host = varying_hosts_[static_cast<std::size_t>(node)].get();
  if (host != nullptr) host->computing = false;
}

void Platform::follow(NodeId node) {
  VaryingHost& host = *varying_hosts_[static_cast<std::size_t>(node)];
  if (!host.computing) return;
  const CyclePhase phase = phase_at(host.load, sg::Engine::get_clock());
  const unsigned long state = phase.busy ? 1 : 0;
  if (hosts_[static_cast<std::size_t>(node)]->get_pstate() != state) {
    hosts_[static_cast<std::size_t>(node)]->set_pstate(state);
    if (host.changed) host.changed(phase.busy ? 1 - host.load.share : 1.0);
  }
  host.armed = true;
  at_(phase.until, [this, node] {
    varying_hosts_[static_cast<std::size_t>(node)]->armed = false;
    follow(node);
  });
}

}  // namespace convoy::sim
