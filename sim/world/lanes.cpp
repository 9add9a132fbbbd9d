#include "sim/world/lanes.hpp"

#include <algorithm>
#include <utility>

#include "sim/world/presence.hpp"

namespace convoy::sim {
namespace {

bool goes_before(const RunningActivity* x, const RunningActivity* y) {
  return std::pair(x->what().priority, x->order) < std::pair(y->what().priority, y->order);
}

bool is_transfer(const RunningActivity& a) { return a.peer != no_node; }

}  // namespace

Lanes::Lanes(const WorldConfig& config, std::function<double()> now,
             std::function<void(NodeId)> memory_changed,
             std::function<void(const RunningTask&, double)> memory_waited)
    : now_(std::move(now)),
      config_(config),
      nodes_(config.nodes.size(), [&config](NodeId id) { return made(config.nodes[id]); }),
      memory_(config, now_, std::move(memory_changed), std::move(memory_waited)) {}

Lanes::Node Lanes::made(const NodeConfig& config) {
  Node node;
  node.transfer_limit = config.concurrent_transfers;
  node.compute_limit = config.concurrent_computes;
  node.busy_w = config.power.busy_w;
  node.present = there_at_start(config);
  node.joules_per_byte = config.link.joules_per_byte;
  node.meter.emplace(config.power, config.behaviour);
  return node;
}

void Lanes::join(RunningActivity& a) {
  const auto queue_at = [&](NodeId id) {
    auto& queue = node(id).waiting;
    queue.insert(std::upper_bound(queue.begin(), queue.end(), &a, goes_before), &a);
    if (is_transfer(a)) ++node(id).transfers_waiting;
    touched_.push_back(id);
  };
  // A transfer waits at both ends, except at a node without a limit for transfers.
  const bool at_peer = is_transfer(a) && a.peer != a.node && node(a.peer).transfer_limit > 0;
  if (!at_peer || node(a.node).transfer_limit > 0) queue_at(a.node);
  if (at_peer) queue_at(a.peer);
}

void Lanes::leave(RunningActivity& a) {
  const auto leave_queue = [&](NodeId id) {
    auto& queue = node(id).waiting;
    const auto place = std::lower_bound(queue.begin(), queue.end(), &a, goes_before);
    if (place == queue.end() || *place != &a) return;
    queue.erase(place);
    if (is_transfer(a)) --node(id).transfers_waiting;
  };
  leave_queue(a.node);
  if (is_transfer(a) && a.peer != a.node) leave_queue(a.peer);
}

RunningActivity* Lanes::first_at(NodeId id) const {
  // A compute waits for a share, or for what shares leave: no later one of its kind overtakes it.
  bool for_share = false;
  bool for_rest = false;
  int transfers = node(id).transfers_waiting;  // that come yet
  for (RunningActivity* a : node(id).waiting) {
    if (for_share && for_rest && transfers == 0) return nullptr;
    const bool transfer = is_transfer(*a);
    transfers -= transfer ? 1 : 0;
    bool& waits = a->what().share > 0 ? for_share : for_rest;
    if (!transfer && waits) continue;
    if (are_free(*a)) return a;
    waits = waits || !transfer;
  }
  return nullptr;
}

RunningActivity* Lanes::next() {
  const auto consider = [this](NodeId id) {
    if (const RunningActivity* a = first_at(id)) {
      candidates_.emplace(a->what().priority, a->order, id);
    }
  };
  for (const NodeId id : touched_) consider(id);
  touched_.clear();
  while (!candidates_.empty()) {
    const auto [priority, order, id] = candidates_.top();
    candidates_.pop();
    RunningActivity* a = first_at(id);
    if (a == nullptr) continue;
    if (a->order != order) {  // the former first one has started meanwhile, or lost a lane
      consider(id);
      continue;
    }
    leave(*a);
    touched_.push_back(id);  // another activity may be able to start
    return a;
  }
  return nullptr;
}

bool Lanes::are_free(const RunningActivity& a) const {
  const Node& from = node(a.node);
  if (!is_transfer(a)) return may_compute(from, a.what().share);
  if (a.peer == a.node) return true;
  const Node& to = node(a.peer);
  return (from.transfer_limit == 0 || from.sending < from.transfer_limit) &&
         (to.transfer_limit == 0 || to.receiving < to.transfer_limit);
}

// Computes with a share have exactly that, and wait for nothing but the sum of the shares: so a
// plan made with shares holds. The others start while something is left, and stand still while
// nothing is.
bool Lanes::may_compute(const Node& n, double share) {
  if (n.compute_limit > 0 && n.computing >= n.compute_limit) return false;
  constexpr double rounding = 1e-9;  // of a sum of shares
  if (share <= 0) return n.shares < 1 - rounding;
  return n.shares + share <= 1 + rounding;
}

void Lanes::take_processor(Node& n, const Activity& what) {
  ++n.computing;
  if (what.share > 0) {
    n.shares += what.share;
    n.guaranteed += what.at_least ? 1 : 0;
  } else {
    ++n.without_share;
  }
  const double draw = what.watts.value_or(n.busy_w);
  n.computing_w = n.draws.empty() ? draw : std::max(n.computing_w, draw);
  n.draws.push_back(draw);
}

void Lanes::give_processor_back(Node& n, const Activity& what) {
  --n.computing;
  if (what.share <= 0) --n.without_share;
  if (what.share > 0 && what.at_least) --n.guaranteed;
  n.shares -= what.share;
  if (n.computing == n.without_share) n.shares = 0;  // prevents accumulated rounding errors
  n.draws.erase(std::find(n.draws.begin(), n.draws.end(), what.watts.value_or(n.busy_w)));
  if (!n.draws.empty()) n.computing_w = *std::max_element(n.draws.begin(), n.draws.end());
}

void Lanes::take(RunningActivity& a) {
  Node& n = node(a.node);
  account(n);
  memory_.take(a);
  if (!is_transfer(a)) {
    take_processor(n, a.what());
  } else {
    account(node(a.peer));
    ++n.sending;
    ++node(a.peer).receiving;
    a.energy_from_peer = energy_share(a.peer);
  }
  a.energy_from_node = energy_share(a.node);
}

void Lanes::give_back(RunningActivity& a, bool ended) {
  Node& n = node(a.node);
  account(n);
  memory_.give_back(a, ended);
  touched_.push_back(a.node);
  if (!is_transfer(a)) {
    give_processor_back(n, a.what());
    return;
  }
  account(node(a.peer));
  touched_.push_back(a.peer);
  --n.sending;
  --node(a.peer).receiving;
}

void Lanes::set_present(NodeId id, bool present) {
  account(node(id));
  node(id).present = present;
}

NodeUsage Lanes::usage(NodeId id) {
  const auto so_far = [&](Node& n) {
    account(n);
    NodeUsage usage = n.usage;
    usage.energy_j = n.meter->total_j();
    memory_.count_into(usage, id);
    return usage;
  };
  if (nodes_.find(id) != nullptr) return so_far(node(id));
  Node idle = nodes_.fresh(id);
  return so_far(idle);
}

NodeUsage& Lanes::counted(NodeId id) {
  account(node(id));
  return node(id).usage;
}

double Lanes::energy_j(NodeId id) const {
  const auto with = [this](const Node& n) {
    PowerMeter meter = *n.meter;
    // Uses the same operations as account(), so that both give the same bits.
    const double passed = now_() - n.since;
    const double to = n.since + passed;
    meter.passed(to - passed, to, n.state());
    return meter.total_j();
  };
  const Node* worked = nodes_.find(id);
  // To make a node walks through its trace: such a one stays when it was asked for.
  if (worked == nullptr && config_.nodes[id].behaviour.trace) worked = &nodes_[id];
  return worked != nullptr ? with(*worked) : with(nodes_.fresh(id));
}

double Lanes::energy_share(NodeId id) {
  account(node(id));
  return node(id).meter->share_j();
}

double Lanes::charge(const RunningActivity& a, double bytes) {
  double joules = energy_share(a.node) - a.energy_from_node;
  if (!is_transfer(a) || a.peer == a.node) return joules;
  joules += energy_share(a.peer) - a.energy_from_peer;
  for (const NodeId end : {a.node, a.peer}) {
    const double of_link = bytes * node(end).joules_per_byte;
    node(end).meter->add_link_energy(of_link);
    joules += of_link;
  }
  return joules;
}

void Lanes::count_bytes(const RunningActivity& a) {
  if (!is_transfer(a) || a.peer == a.node) return;
  counted(a.node).bytes_out += a.what().bytes;
  counted(a.peer).bytes_in += a.what().bytes;
}

void Lanes::account(Node& n) const {
  const double passed = now_() - n.since;
  n.since += passed;
  const bool transfers = n.sending > 0 || n.receiving > 0;
  n.meter->passed(n.since - passed, n.since, n.state());
  if (n.computing > 0) n.usage.busy_s += passed * n.busy();
  if (transfers) n.usage.communicating_s += passed;
  if (n.computing > 0 || transfers) n.usage.active_s += passed;
  if (!n.present) n.usage.away_s += passed;
}

}  // namespace convoy::sim
