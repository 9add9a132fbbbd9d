#include "sim/world/star_transfers.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/world/flow_weight.hpp"
#include "sim/world/network_solver.hpp"

namespace convoy::sim {

StarTransfers::StarTransfers(const WorldConfig& config, Timers& timers, Ends& ends,
                             std::function<void(RunningActivity&)> at_once,
                             std::function<void(RunningActivity&)> ended)
    : timers_(timers),
      ends_(ends),
      at_once_(std::move(at_once)),
      ended_(std::move(ended)),
      nodes_(config.nodes.size(),
             [&config](NodeId id) { return made(config.nodes[id], id == server_node); }) {
  server_left_out_ = config.nodes.size() > 1 && server_cannot_bind(config);
  for (const SharedLinkConfig& shared : config.shared_links) {
    shared_.push_back(port_of(shared.link, {}, shared.traffic, true));
    shared_latency_s_.push_back(shared.link.latency_s);
  }
}

StarTransfers::Node StarTransfers::made(const NodeConfig& config, bool is_server) {
  Node node;
  node.port = port_of(config.link, config.behaviour, config.behaviour.traffic, is_server);
  node.shared = config.shared_link;
  node.latency = signal_of(config.behaviour, platforms::Column::latency_s, config.link.latency_s);
  node.latency_s = node.latency ? node.latency->lowest() : config.link.latency_s;
  return node;
}

StarTransfers::Port StarTransfers::port_of(const platforms::Link& link, const Behaviour& behaviour,
                                           const std::optional<BackgroundLoad>& traffic,
                                           bool is_shared) {
  using platforms::Column;
  const auto way = [&](double bps, Column column) {
    Way made;
    made.is_shared = is_shared;
    Variation rate = rate_of(bps, behaviour, column, traffic);
    made.bytes_per_s = rate.peak() / 8;
    if (!rate.is_constant()) made.rate = std::make_unique<Variation>(std::move(rate));
    return made;
  };
  Port port;
  if (link.duplex == platforms::Duplex::half) {
    // One rate for both directions, from the column that the trace has.
    const bool only_down = behaviour.trace && !behaviour.trace->has(Column::up_bps);
    port.up = way(link.up_bps, only_down ? Column::down_bps : Column::up_bps);
  } else {
    port.up = way(link.up_bps, Column::up_bps);
    port.down = way(link.down_bps, Column::down_bps);
  }
  return port;
}

StarTransfers::Route StarTransfers::route(NodeId from, NodeId to) {
  Route route;
  const auto pass = [&](Way& way, double latency) {
    if (std::ranges::find(route.path, &way) != route.path.end()) return;  // half duplex, both ends
    route.path.push_back(&way);
    route.latency_s += latency;
  };
  const auto down = [](Port& port) -> Way& { return port.down ? *port.down : port.up; };
  const auto is_left_out = [&](NodeId node) { return node == server_node && server_left_out_; };
  const auto medium = [&](NodeId node) { return static_cast<std::size_t>(nodes_[node].shared); };
  if (!is_left_out(from)) {
    pass(nodes_[from].port.up, nodes_[from].latency_s);
    if (nodes_[from].shared >= 0) pass(shared_[medium(from)].up, shared_latency_s_[medium(from)]);
  }
  if (!is_left_out(to)) {
    if (nodes_[to].shared >= 0) pass(down(shared_[medium(to)]), shared_latency_s_[medium(to)]);
    pass(down(nodes_[to].port), nodes_[to].latency_s);
  }
  for (const NodeId end : {from, to}) {
    const Node& node = nodes_[end];
    if (is_left_out(end)) route.left_out_s += node.latency_s;
    if (node.latency) {
      route.left_out_s += node.latency->at(timers_.now()).value - node.latency_s;
    }
  }
  return route;
}

void StarTransfers::start(RunningActivity& a) {
  Route way = route(a.node, a.peer);
  const double wait = std::max(way.left_out_s, 0.0) + way.latency_s;
  Moving& moving = moving_[&a];
  moving.a = &a;
  moving.path = std::move(way.path);
  moving.bytes = std::round(a.what().bytes);  // whole bytes, as with SimGrid
  if (way.latency_s > 0) moving.weight = 1 / way.latency_s;
  const double rate = a.what().bytes_per_s;
  if (a.what().at_least) {
    if (rate > 0) moving.weight = 1 / penalty_of_guarantee(rate);
  } else if (rate > 0) {
    moving.limit = rate;
  }
  for (Way* on_it : moving.path) use(*on_it);
  if (wait <= 0) {
    moves(moving);
    return;
  }
  moving.waits = timers_.at(timers_.now() + wait, [this, &moving] {
    moving.waits.reset();
    moves(moving);
  });
}

void StarTransfers::moves(Moving& moving) {
  const bool stands_still =
      std::ranges::any_of(moving.path, [](const Way* way) { return way->bytes_per_s <= 0; });
  if (moving.bytes <= 0 && !stands_still) {
    moving.has_ended = true;
    at_once_(*moving.a);
    return;
  }
  // Also what has nothing to move waits for its links, as in SimGrid.
  constexpr double nearly_nothing = 1e-6;
  const double bytes = std::max(moving.bytes, nearly_nothing);
  std::vector<Link> path;
  path.reserve(moving.path.size());
  for (const Way* way : moving.path) path.push_back(way->link);
  moving.flow = network_.add(timers_.now(), bytes, moving.weight, moving.limit, std::move(path));
  if (by_flow_.size() <= *moving.flow) by_flow_.resize(*moving.flow + 1);
  by_flow_[*moving.flow] = &moving;
  changed();
}

void StarTransfers::remove(const RunningActivity& a) {
  const auto there = moving_.find(&a);
  if (there == moving_.end()) return;
  Moving& moving = there->second;
  if (moving.waits) timers_.cancel(*moving.waits);
  if (moving.flow) {
    network_.remove(timers_.now(), *moving.flow);
    changed();
  }
  for (Way* way : moving.path) --way->users;
  moving_.erase(there);
}

double StarTransfers::finished_share(const RunningActivity& a) const {
  const auto there = moving_.find(&a);
  if (there == moving_.end()) return 0;
  const Moving& moving = there->second;
  if (moving.has_ended) return 1;
  if (!moving.flow || a.what().bytes <= 0) return 0;
  return std::clamp(1 - network_.left(timers_.now(), *moving.flow) / a.what().bytes, 0.0, 1.0);
}

void StarTransfers::use(Way& way) {
  if (way.link < 0) {
    way.link = way.is_shared ? network_.add_shared_link(way.bytes_per_s)
                             : network_.add_own_link(way.bytes_per_s);
  }
  ++way.users;
  if (way.rate && !way.armed) follow(way);
}

void StarTransfers::follow(Way& way) {
  if (way.users == 0) return;
  const platforms::Signal::Step step = way.rate->at(timers_.now());
  way.bytes_per_s = step.value / 8;
  network_.set_capacity(timers_.now(), way.link, way.bytes_per_s);
  changed();
  way.armed = true;
  timers_.at(step.until, [this, &way] {
    way.armed = false;
    follow(way);
  });
}

void StarTransfers::changed() {
  if (std::exchange(is_changed_, true)) return;
  timers_.at(timers_.now(), [this] { settle(); });
}

void StarTransfers::settle() {
  if (!std::exchange(is_changed_, false)) return;
  ends_.plan(*this, network_.next_end());
}

void StarTransfers::end_due() {
  const double now = timers_.now();
  std::vector<RunningActivity*> ended;
  for (const StarNetwork::Flow flow : network_.ending_by(now + Ends::hair(now))) {
    Moving& moving = *by_flow_[flow];
    moving.flow.reset();
    moving.has_ended = true;
    network_.remove(now, flow);
    ended.push_back(moving.a);
  }
  is_changed_ = true;
  settle();
  for (RunningActivity* a : ended) ended_(*a);
}

}  // namespace convoy::sim
