#include "sim/world/presence.hpp"

#include <cmath>

#include "sim/world/variation.hpp"

namespace convoy::sim {
namespace {

std::shared_ptr<const platforms::Signal> availability_of(const NodeConfig& node) {
  return signal_of(node.behaviour, platforms::Column::available, 1);
}

}  // namespace

bool there_at_start(const NodeConfig& node) {
  const auto signal = availability_of(node);
  return node.behaviour.joins_at_s <= 0 && (!node.real || node.real->present) &&
         (!signal || signal->at(0).value > 0);
}

Presence::Presence(const WorldConfig& config, After after, Changed changed)
    : after_(std::move(after)),
      changed_(std::move(changed)),
      reasons_(config.nodes.size(), 0),
      gone_(config.nodes.size(), false),
      lost_(config.nodes.size(), false),
      unplugged_(config.nodes.size(), false) {
  constexpr std::uint64_t purpose = 0x6f757461676573ULL;  // a random stream of its own
  for (std::size_t i = 0; i < config.nodes.size(); ++i) {
    const auto node = static_cast<NodeId>(i);
    const Behaviour& behaviour = config.nodes[i].behaviour;
    if (behaviour.joins_at_s > 0) {
      ++reasons_[i];
      joins_.emplace_back(node, behaviour.joins_at_s);
    }
    if (config.nodes[i].real && !config.nodes[i].real->present) {
      ++reasons_[i];
      unplugged_[i] = true;
    }
    if (auto signal = availability_of(config.nodes[i])) {
      const bool there = signal->at(0).value > 0;
      if (!there) ++reasons_[i];
      availability_.push_back(
          std::make_unique<Availability>(Availability{node, std::move(signal), there}));
    }
    if (behaviour.lost_at_s) losses_.emplace_back(node, *behaviour.lost_at_s);
    if (behaviour.outages.empty() && !behaviour.random_outages) continue;
    outages_.push_back(std::make_unique<Outages>());
    *outages_.back() = {node,
                        behaviour.outages,
                        0,
                        behaviour.random_outages,
                        base::Random({config.seed, purpose, i}),
                        0};
  }
}

void Presence::start() {
  for (const auto& [node, time] : joins_) {
    after_(time, [this, node = node] { back(node); });
  }
  for (const auto& [node, time] : losses_) {
    after_(time, [this, node = node] {
      gone_[node] = true;
      lost_[node] = true;
      away(node);
    });
  }
  for (const auto& outages : outages_) plan(*outages);
  for (const auto& a : availability_) follow(*a, 0);
}

// Also for idle nodes: the schedule must see them leave. Nodes lost for good are not followed,
// since useless timers would keep the clock running forever.
void Presence::follow(Availability& a, double time) {
  if (lost_[a.node]) return;
  const platforms::Signal::Step step = a.signal->at(time);
  const bool there = step.value > 0;
  if (there != a.there) {
    a.there = there;
    if (there) {
      back(a.node);
    } else {
      away(a.node);
    }
  }
  if (!there && std::isinf(step.until)) {
    gone_[a.node] = true;
    lost_[a.node] = true;
  }
  after_(step.until, [this, &a, until = step.until] { follow(a, until); });
}

void Presence::away(NodeId node) {
  if (reasons_[node]++ == 0) changed_(node, false);
}

void Presence::back(NodeId node) {
  if (--reasons_[node] == 0) changed_(node, true);
}

bool Presence::real_node(NodeId node, bool present, bool for_good) {
  const bool gone = for_good && !present;
  if (unplugged_[node] != present && gone_[node] == gone) return false;
  gone_[node] = gone;
  if (unplugged_[node] != present) return true;
  unplugged_[node] = !present;
  if (present) {
    back(node);
  } else {
    away(node);
  }
  return true;
}

void Presence::plan(Outages& outages) {
  if (lost_[outages.node]) return;
  Outage next;
  if (outages.random) {
    next = {outages.back + outages.generator.exponential(outages.random->mean_up_s),
            outages.generator.exponential(outages.random->mean_down_s)};
  } else {
    if (outages.next == outages.listed.size()) return;
    next = outages.listed[outages.next++];
  }
  outages.back = next.at_s + next.for_s;
  after_(next.at_s, [this, &outages] {
    away(outages.node);
    after_(outages.back, [this, &outages] {
      back(outages.node);
      plan(outages);
    });
  });
}

}  // namespace convoy::sim
