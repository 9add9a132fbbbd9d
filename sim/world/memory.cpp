#include "sim/world/memory.hpp"

#include <algorithm>

namespace convoy::sim {
namespace {

using Answer = Admission::Answer;
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

bool is_in(const RunningTask& task) { return task.memory.state == MemoryRequest::State::granted; }

// The node's memory is reserved for what the task has there.
bool has_reserved(const RunningTask& task, NodeId node) {
  return is_in(task) && std::ranges::any_of(task.memory.needs, [&](const auto& need) {
           return need.node == node && need.reserved > 0;
         });
}

}  // namespace

Memory::Memory(const WorldConfig& config, std::function<double()> now,
               std::function<void(NodeId)> changed,
               std::function<void(const RunningTask&, double)> waited)
    : now_(std::move(now)),
      changed_(std::move(changed)),
      waited_(std::move(waited)),
      admission_(config, now_),
      footprints_(config),
      nodes_(config.nodes.size(), [](NodeId) { return Node(); }) {}

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

Answer Memory::admit(RunningTask& task, bool waits) {
  task.memory = {.needs = footprints_.needs(task.graph, task.members), .task = &task};
  if (task.memory.needs.empty()) return Answer::granted;
  return admission_.ask(task.memory, waits);
}

Answer Memory::make_room(RunningActivity& a) {
  const double bytes = a.what().memory;
  if (bytes <= 0 || a.request) return Answer::granted;
  if (has_reserved(*a.task, a.node)) {
    const double more = bytes - planned(a).memory;  // if it was sized late
    if (more <= 0 || admission_.grow(a.task->memory, a.node, more)) return Answer::granted;
    return refuse(a);
  }
  const bool is_inner = is_in(*a.task);
  if (admission_.take(a.node, bytes, is_inner)) {
    a.taken = bytes;
    return Answer::granted;
  }
  a.request = std::make_unique<MemoryRequest>();
  *a.request = {.needs = {{.node = a.node, .most = bytes}},
                .task = a.task,
                .activity = &a,
                .is_inner = is_inner};
  const Answer answer = admission_.ask(*a.request);
  if (answer != Answer::granted) {
    a.no_room = a.request->where;
    a.needed = needed(a);
  }
  return answer;
}

Answer Memory::refuse(RunningActivity& a) const {
  a.request = std::make_unique<MemoryRequest>();
  a.request->task = a.task;
  a.request->activity = &a;
  a.request->where = a.node;
  a.no_room = a.node;
  a.needed = needed(a);
  return Answer::never;
}

void Memory::count_wait(const MemoryRequest& request) {
  Node& n = nodes_[request.where];
  ++n.waits;
  n.wait_s += now_() - request.since;
  if (waited_) waited_(*request.task, now_() - request.since);
}

Admission::Verdict Memory::next_verdict() {
  const Admission::Verdict verdict = admission_.next();
  if (verdict.request != nullptr) count_wait(*verdict.request);
  return verdict;
}

void Memory::withdraw(RunningActivity& a) {
  if (!a.request) return;
  if (a.request->state == MemoryRequest::State::waiting) count_wait(*a.request);
  admission_.end(*a.request);
}

Lacking Memory::lacking(const MemoryRequest& request) const {
  Lacking all{0, admission_.free(request.where), admission_.capacity(request.where)};
  if (request.activity != nullptr) {
    all.needed = request.activity->needed;
    return all;
  }
  for (const MemoryRequest::Need& need : request.needs) {
    if (need.node == request.where) all.needed = need.reserved + need.most;
  }
  return all;
}

void Memory::tell(NodeId node) const {
  if (changed_ && nodes_[node].has_held) changed_(node);
}

void Memory::hold(RunningTask& task, int artifact) {
  const NodeId place = place_of(task, artifact);
  Node& n = nodes_[place];
  holding(task, artifact).state = Holding::State::held;
  holding(task, artifact).in_held = task.held.size();
  task.held.push_back(artifact);
  n.held += artifact_of(task, artifact).held;
  ++n.holders;
  n.has_held = true;
  n.peak = std::max(n.peak, n.taken());
  tell(place);
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
  tell(place);
}

void Memory::take(const RunningActivity& a) {
  Node& n = nodes_[a.node];
  if (a.what().memory > 0) {
    n.used += a.what().memory;
    ++n.users;
  }
  on_new(a, [&](int artifact) { hold(*a.task, artifact); });
  n.peak = std::max(n.peak, n.taken());
  tell(a.node);
}

void Memory::give_back(RunningActivity& a, bool ended) {
  Node& n = nodes_[a.node];
  if (a.what().memory > 0) {
    n.used -= a.what().memory;
    if (--n.users == 0) n.used = 0;  // prevents accumulated rounding errors
    tell(a.node);
  }
  if (a.taken > 0) admission_.give_back(a.node, a.taken);
  a.taken = 0;
  if (a.request) admission_.end(*a.request);
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
  if (task.waits_for_memory()) count_wait(task.memory);
  admission_.end(task.memory);
}

double Memory::needed(const RunningActivity& a) const {
  double all = a.what().memory;
  for (const int artifact : a.task->held) {
    if (place_of(*a.task, artifact) == a.node) all += artifact_of(*a.task, artifact).held;
  }
  return all;
}

void Memory::count_into(NodeUsage& usage, NodeId node) const {
  const Node* const n = nodes_.find(node);
  if (n == nullptr) return;
  usage.peak_memory = n->peak;
  usage.memory_waits = n->waits;
  usage.memory_wait_s = n->wait_s;
}

}  // namespace convoy::sim
