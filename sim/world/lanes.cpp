#include "sim/world/lanes.hpp"

#include <algorithm>
#include <limits>

#include "sim/world/presence.hpp"
#include "sim/world/variation.hpp"

namespace convoy::sim {
namespace {

bool goes_before(const RunningActivity* x, const RunningActivity* y) {
  return std::pair(x->what().priority, x->order) < std::pair(y->what().priority, y->order);
}

bool is_transfer(const RunningActivity& a) { return a.peer != no_node; }

}  // namespace

Lanes::Lanes(const WorldConfig& config, std::function<double()> now)
    : now_(std::move(now)), nodes_(config.nodes.size()) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].transfer_limit = config.nodes[i].concurrent_transfers;
    nodes_[i].memory = config.nodes[i].memory;
    const NodeConfig& node = config.nodes[i];
    nodes_[i].present = there_at_start(node);
    nodes_[i].memory_free =
        signal_of(node.behaviour, platforms::Column::memory_free_bytes,
                  node.memory > 0 ? node.memory : std::numeric_limits<double>::infinity());
    nodes_[i].joules_per_byte = node.link.joules_per_byte;
    nodes_[i].meter.emplace(node.power, node.behaviour);
  }
}

void Lanes::join(RunningActivity& a) {
  const auto queue_at = [&](NodeId id) {
    auto& queue = node(id).waiting;
    queue.insert(std::upper_bound(queue.begin(), queue.end(), &a, goes_before), &a);
    touched_.push_back(id);
  };
  // A transfer waits at both ends, except at a node without a limit for transfers.
  const bool at_peer = is_transfer(a) && a.peer != a.node && node(a.peer).transfer_limit > 0;
  if (!at_peer || node(a.node).transfer_limit > 0) queue_at(a.node);
  if (at_peer) queue_at(a.peer);
}

void Lanes::leave(RunningActivity& a) {
  std::erase(node(a.node).waiting, &a);
  if (is_transfer(a)) std::erase(node(a.peer).waiting, &a);
}

RunningActivity* Lanes::first_at(NodeId id) const {
  const auto& queue = node(id).waiting;
  const auto ready = std::find_if(queue.begin(), queue.end(),
                                  [this](const RunningActivity* a) { return are_free(*a); });
  return ready == queue.end() ? nullptr : *ready;
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
  if (!is_transfer(a)) return from.computing == 0;
  if (a.peer == a.node) return true;
  const Node& to = node(a.peer);
  return (from.transfer_limit == 0 || from.sending < from.transfer_limit) &&
         (to.transfer_limit == 0 || to.receiving < to.transfer_limit);
}

bool Lanes::has_memory_for(const RunningActivity& a) const {
  const Node& n = node(a.node);
  const double wanted = n.memory_used + a.what().memory;
  if (n.memory_free && a.what().memory > 0 && wanted > n.memory_free->at(now_()).value) {
    return false;
  }
  return n.memory <= 0 || wanted <= n.memory;
}

void Lanes::take(RunningActivity& a) {
  Node& n = node(a.node);
  account(n);
  n.memory_used += a.what().memory;
  n.usage.peak_memory = std::max(n.usage.peak_memory, n.memory_used);
  if (!is_transfer(a)) {
    ++n.computing;
    n.computing_w = a.what().watts;
  } else {
    account(node(a.peer));
    ++n.sending;
    ++node(a.peer).receiving;
    a.energy_from_peer = energy_share(a.peer);
  }
  a.energy_from_node = energy_share(a.node);
}

void Lanes::give_back(RunningActivity& a) {
  Node& n = node(a.node);
  account(n);
  touched_.push_back(a.node);
  if (!is_transfer(a)) {
    --n.computing;
    n.computing_w.reset();
    n.memory_used -= a.what().memory;
    if (n.computing == 0) n.memory_used = 0;  // prevents accumulated rounding errors
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

NodeUsage& Lanes::usage(NodeId id) {
  account(node(id));
  node(id).usage.energy_j = node(id).meter->total_j();
  return node(id).usage;
}

double Lanes::energy_j(NodeId id) const {
  const Node& n = node(id);
  PowerMeter meter = *n.meter;
  // Uses the same operations as account(), so that both give the same bits.
  const double passed = now_() - n.since;
  const double to = n.since + passed;
  meter.passed(to - passed, to, n.state());
  return meter.total_j();
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
  usage(a.node).bytes_out += a.what().bytes;
  usage(a.peer).bytes_in += a.what().bytes;
}

void Lanes::account(Node& n) const {
  const double passed = now_() - n.since;
  n.since += passed;
  const bool transfers = n.sending > 0 || n.receiving > 0;
  n.meter->passed(n.since - passed, n.since, n.state());
  if (n.computing > 0) n.usage.busy_s += passed;
  if (transfers) n.usage.communicating_s += passed;
  if (n.computing > 0 || transfers) n.usage.active_s += passed;
  if (!n.present) n.usage.away_s += passed;
}

}  // namespace convoy::sim
