#include "sim/world/memory.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "sim/world/variation.hpp"

namespace convoy::sim {
namespace {

using Holding = RunningTask::Holding;

const Artifact& artifact_of(const RunningTask& task, int artifact) {
  return task.graph->artifacts()[static_cast<std::size_t>(artifact)];
}

NodeId place_of(const RunningTask& task, int artifact) {
  return task.members[static_cast<std::size_t>(artifact_of(task, artifact).place)];
}

Holding& holding(RunningTask& task, int artifact) {
  return task.holdings[static_cast<std::size_t>(artifact)];
}

// As the graph has it: what() may be the listener's.
const Activity& planned(const RunningActivity& a) {
  return a.task->graph->activities()[static_cast<std::size_t>(a.index)];
}

bool is_held(const RunningTask& task, std::size_t artifact) {
  return task.holdings[artifact].state == Holding::State::held;
}

}  // namespace

Memory::Memory(const WorldConfig& config, std::function<double()> now,
               std::function<void(NodeId)> freed)
    : now_(std::move(now)), freed_(std::move(freed)), nodes_(config.nodes.size()) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodeConfig& node = config.nodes[i];
    nodes_[i].limit = node.memory;
    nodes_[i].memory_free =
        signal_of(node.behaviour, platforms::Column::memory_free_bytes,
                  node.memory > 0 ? node.memory : std::numeric_limits<double>::infinity());
  }
}

template <class Visit>
void Memory::on_new(const RunningActivity& a, Visit visit) const {
  const TaskGraph& graph = *a.task->graph;
  if (!graph.holds()) return;
  for (const int made : planned(a).outputs) {
    if (artifact_of(*a.task, made).held > 0) visit(made);
  }
  for (const int given : graph.held_at_start()) {
    if (holding(*a.task, given).state != Holding::State::to_come) continue;
    const int place = artifact_of(*a.task, given).place;
    const bool there = place == planned(a).at || (a.peer != no_node && place == planned(a).to);
    if (there) visit(given);
  }
}

Memory::Wanted Memory::wanted(const RunningActivity& a) const {
  Wanted all{a.what().memory, 0};
  on_new(a, [&](int artifact) {
    const bool at_node = place_of(*a.task, artifact) == a.node;
    (at_node ? all.at_node : all.at_peer) += artifact_of(*a.task, artifact).held;
  });
  return all;
}

bool Memory::fits(NodeId id, double taken, double wanted) const {
  const Node& n = nodes_[id];
  const double all = taken + wanted;
  if (n.memory_free && wanted > 0 && all > n.memory_free->at(now_()).value) return false;
  return n.limit <= 0 || all <= n.limit;
}

NodeId Memory::too_small(const RunningActivity& a) const {
  const Wanted all = wanted(a);
  if (!fits(a.node, taken(a.node), all.at_node)) return a.node;
  if (all.at_peer > 0 && !fits(a.peer, taken(a.peer), all.at_peer)) return a.peer;
  return no_node;
}

bool Memory::never_fits(const RunningActivity& a, NodeId node, double wanted) const {
  double own = 0;  // what it takes as an input stays as long as it runs
  if (a.task->graph->holds()) {
    std::vector<int> inputs = planned(a).inputs;
    std::sort(inputs.begin(), inputs.end());
    inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
    for (const int input : inputs) {
      const bool there = place_of(*a.task, input) == node;
      if (there && is_held(*a.task, static_cast<std::size_t>(input))) {
        own += artifact_of(*a.task, input).held;
      }
    }
  }
  return !fits(node, own, wanted);
}

Memory::Room Memory::room_for(const RunningActivity& a) const {
  if (too_small(a) == no_node) return Room::now;
  const Wanted all = wanted(a);
  const bool never =
      never_fits(a, a.node, all.at_node) || (all.at_peer > 0 && never_fits(a, a.peer, all.at_peer));
  return never ? Room::never : Room::later;
}

void Memory::hold(RunningTask& task, int artifact) {
  Node& n = nodes_[place_of(task, artifact)];
  holding(task, artifact).state = Holding::State::held;
  holding(task, artifact).in_held = task.held.size();
  task.held.push_back(artifact);
  n.held += artifact_of(task, artifact).held;
  ++n.holders;
  n.peak = std::max(n.peak, n.taken());
}

void Memory::let_go(RunningTask& task, int artifact) {
  const NodeId place = place_of(task, artifact);
  Node& n = nodes_[place];
  Holding& gone = holding(task, artifact);
  gone.state = Holding::State::gone;
  holding(task, task.held.back()).in_held = gone.in_held;
  task.held[gone.in_held] = task.held.back();
  task.held.pop_back();
  n.held -= artifact_of(task, artifact).held;
  if (--n.holders == 0) n.held = 0;  // prevents accumulated rounding errors
  freed_(place);
}

void Memory::take(const RunningActivity& a) {
  Node& n = nodes_[a.node];
  if (a.what().memory > 0) {
    n.used += a.what().memory;
    ++n.users;
  }
  on_new(a, [&](int artifact) { hold(*a.task, artifact); });
  n.peak = std::max(n.peak, n.taken());
}

void Memory::give_back(const RunningActivity& a, bool ended) {
  Node& n = nodes_[a.node];
  if (a.what().memory > 0) {
    n.used -= a.what().memory;
    if (--n.users == 0) n.used = 0;  // prevents accumulated rounding errors
    freed_(a.node);
  }
  RunningTask& task = *a.task;
  if (!ended || !task.graph->holds()) return;
  const bool last_pass = task.iteration + 1 == task.graph->repeat();
  for (const int input : planned(a).inputs) {
    Holding& of_input = holding(task, input);
    if (--of_input.inputs_left > 0 || of_input.state != Holding::State::held) continue;
    if (last_pass || task.graph->producer(input) >= 0) let_go(task, input);
  }
}

void Memory::begin_pass(RunningTask& task) {
  if (!task.graph->holds()) return;
  const bool first = task.iteration == 0;
  if (first) task.holdings.assign(task.graph->artifacts().size(), {});
  for (std::size_t i = 0; i < task.holdings.size(); ++i) {
    const int artifact = static_cast<int>(i);
    Holding& holding = task.holdings[i];
    holding.inputs_left = task.graph->consumers()[i];
    if (task.graph->producer(artifact) < 0) continue;
    if (is_held(task, i)) let_go(task, artifact);
    holding.state = Holding::State::to_come;
  }
}

void Memory::release(RunningTask& task) {
  std::vector<int> held = task.held;
  std::sort(held.begin(), held.end());
  for (const int artifact : held) let_go(task, artifact);
  task.holdings.clear();
}

std::pair<double, int> Memory::held_by(const RunningTask& task, NodeId node) const {
  std::pair<double, int> all{0, 0};
  for (const int artifact : task.held) {
    if (place_of(task, artifact) != node) continue;
    all.first += artifact_of(task, artifact).held;
    ++all.second;
  }
  return all;
}

double Memory::needed(const RunningActivity& a, NodeId node) const {
  const Wanted all = wanted(a);
  return held_by(*a.task, node).first + (node == a.node ? all.at_node : all.at_peer);
}

// Beside all that its own task holds: for tasks of which nothing is under way.
bool Memory::too_large_alone(const RunningActivity& a) const {
  const Wanted all = wanted(a);
  if (!fits(a.node, held_by(*a.task, a.node).first, all.at_node)) return true;
  return all.at_peer > 0 && !fits(a.peer, held_by(*a.task, a.peer).first, all.at_peer);
}

// By task: those of which nothing runs or waits for a lane.
std::vector<Memory::Blocked> Memory::blocked(std::span<RunningActivity* const> waiting) const {
  std::vector<Blocked> all;
  std::unordered_map<const RunningTask*, std::size_t> index;
  for (RunningActivity* a : waiting) {
    if (a->task->moving > 0) continue;
    if (index.try_emplace(a->task, all.size()).second) all.push_back({.task = a->task});
    Blocked& one = all[index.at(a->task)];
    const bool alone = too_large_alone(*a);
    one.too_large = one.too_large && alone;
    // What does not fit beside what its own task holds is not helped by others.
    if (!alone) one.where.push_back(a->no_room);
    if (one.first == nullptr) one.first = a;
  }
  return all;
}

RunningActivity* Memory::stuck(std::span<RunningActivity* const> waiting) const {
  std::vector<Blocked> left = blocked(waiting);
  std::unordered_map<NodeId, int> theirs;  // artifacts that the tasks in `left` hold
  const auto count = [&](Blocked& one, int change) {
    for (const int artifact : one.task->held) {
      theirs[place_of(*one.task, artifact)] += change;
      one.holds = true;
    }
  };
  for (Blocked& one : left) count(one, +1);
  // It may go on if a task that goes on may give something back where it waits; and then it may
  // give back what the others wait for.
  const auto goes_on = [&](Blocked& one) {
    const bool helped = std::any_of(one.where.begin(), one.where.end(), [&](NodeId node) {
      return nodes_[node].users > 0 || nodes_[node].holders > theirs[node];
    });
    if (helped) count(one, -1);
    return helped;
  };
  std::size_t before = 0;
  do {
    before = left.size();
    std::vector<Blocked> still;
    for (Blocked& one : left) {
      if (!goes_on(one)) still.push_back(std::move(one));
    }
    left = std::move(still);
  } while (left.size() < before);
  const auto rank = [](const Blocked& one) {
    return std::pair(one.too_large ? 2 : (one.holds ? 1 : 0), one.task->born);
  };
  const auto worst = std::max_element(
      left.begin(), left.end(),
      [&](const Blocked& one, const Blocked& other) { return rank(one) < rank(other); });
  return worst == left.end() ? nullptr : worst->first;
}

}  // namespace convoy::sim
