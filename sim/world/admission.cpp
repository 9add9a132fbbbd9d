#include "sim/world/admission.hpp"

#include <algorithm>
#include <limits>

#include "sim/world/variation.hpp"

namespace convoy::sim {
namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

using Need = MemoryRequest::Need;
using State = MemoryRequest::State;

}  // namespace

Admission::Admission(const WorldConfig& config, std::function<double()> now)
    : now_(std::move(now)),
      nodes_(config.nodes.size(), [&config](NodeId id) { return made(config.nodes[id]); }) {}

Admission::Node Admission::made(const NodeConfig& config) {
  Node node;
  node.limit = config.memory > 0 ? config.memory : unlimited;
  node.memory_free = signal_of(config.behaviour, platforms::Column::memory_free_bytes, node.limit);
  return node;
}

double Admission::capacity(NodeId node) const {
  const Node& n = nodes_[node];
  return n.memory_free ? std::min(n.limit, n.memory_free->at(now_()).value) : n.limit;
}

double Admission::free(NodeId node) const {
  const Node& n = nodes_[node];
  return std::max(0.0, capacity(node) - n.reserved - n.used);
}

Admission::Queue& Admission::queue_of(const MemoryRequest& request, NodeId node) {
  return request.is_inner ? nodes_[node].inner : nodes_[node].outer;
}

bool Admission::is_first(const MemoryRequest& request) const {
  const auto comes_first = [&](const Need& need) {
    const Node& n = nodes_[need.node];
    const Queue& queue = request.is_inner ? n.inner : n.outer;
    return (queue.empty() || queue.begin()->first >= request.order) &&
           (request.is_inner || n.inner.empty());
  };
  return std::all_of(request.needs.begin(), request.needs.end(), comes_first);
}

// What runs beside the reservations must fit now; what the tasks that are in may need at a time,
// whenever they do.
bool Admission::fits(const MemoryRequest& request, const Need& need) const {
  const Node& n = nodes_[need.node];
  const double least = n.reserved + need.reserved;
  if (request.activity != nullptr) return least + n.used + need.most <= capacity(need.node);
  return least + std::max({n.used, n.largest(), need.most}) <= capacity(need.node);
}

bool Admission::fits_alone(const MemoryRequest& request, const Need& need) const {
  const double others = request.is_inner ? nodes_[need.node].reserved : 0;
  return others + need.reserved + need.most <= capacity(need.node);
}

Admission::Answer Admission::judge(MemoryRequest& request) const {
  Answer answer = Answer::granted;
  for (const Need& need : request.needs) {
    if (fits(request, need)) continue;
    // Nothing that runs could make room for an inner one.
    const bool is_over = request.is_inner && nodes_[need.node].users == 0;
    if (is_over || !fits_alone(request, need)) {
      request.where = need.node;
      return Answer::never;
    }
    if (answer == Answer::granted && request.state == State::none) request.where = need.node;
    answer = Answer::later;
  }
  return answer;
}

Admission::Answer Admission::ask(MemoryRequest& request, bool waits) {
  request.order = next_++;
  request.where = no_node;
  Answer answer = judge(request);
  if (answer == Answer::never) return answer;
  if (answer == Answer::granted && !is_first(request)) {
    answer = Answer::later;
    const auto behind =
        std::find_if(request.needs.begin(), request.needs.end(), [&](const Need& need) {
          const Node& n = nodes_[need.node];
          return !n.inner.empty() || (!request.is_inner && !n.outer.empty());
        });
    request.where = behind->node;
  }
  if (answer == Answer::granted) {
    grant(request);
  } else if (waits) {
    request.state = State::waiting;
    request.since = now_();
    for (const Need& need : request.needs) queue_of(request, need.node)[request.order] = &request;
  }
  return answer;
}

void Admission::grant(MemoryRequest& request) {
  request.state = State::granted;
  for (const Need& need : request.needs) {
    Node& n = nodes_[need.node];
    if (request.activity != nullptr) {
      n.used += need.most;
      ++n.users;
      continue;
    }
    n.reserved += need.reserved;
    ++n.reservations;
    if (need.most > 0) ++n.most[need.most];
  }
}

void Admission::leave(MemoryRequest& request) {
  for (const Need& need : request.needs) {
    queue_of(request, need.node).erase(request.order);
    touch(need.node);
  }
  request.state = State::none;
}

void Admission::end(MemoryRequest& request) {
  if (request.state == State::waiting) leave(request);
  if (request.state == State::none) return;
  request.state = State::none;
  for (const Need& need : request.needs) {
    Node& n = nodes_[need.node];
    if (request.activity != nullptr) {
      give_back(need.node, need.most);
      continue;
    }
    n.reserved -= need.reserved;
    if (--n.reservations == 0) n.reserved = 0;  // prevents accumulated rounding errors
    if (need.most > 0) {
      const auto there = n.most.find(need.most);
      if (--there->second == 0) n.most.erase(there);
    }
    touch(need.node);
  }
}

bool Admission::grow(MemoryRequest& request, NodeId node, double bytes) {
  Node& n = nodes_[node];
  if (n.reserved + bytes + std::max(n.used, n.largest()) > capacity(node)) return false;
  for (Need& need : request.needs) {
    if (need.node == node) need.reserved += bytes;
  }
  n.reserved += bytes;
  return true;
}

bool Admission::take(NodeId node, double bytes, bool is_inner) {
  Node& n = nodes_[node];
  if (!n.inner.empty() || (!is_inner && !n.outer.empty())) return false;
  if (n.reserved + n.used + bytes > capacity(node)) return false;
  n.used += bytes;
  ++n.users;
  return true;
}

void Admission::give_back(NodeId node, double bytes) {
  Node& n = nodes_[node];
  n.used -= bytes;
  if (--n.users == 0) n.used = 0;  // prevents accumulated rounding errors
  touch(node);
}

void Admission::touch(NodeId node) {
  const Node& n = nodes_[node];
  if (!n.inner.empty() || !n.outer.empty()) touched_.push_back(node);
}

Admission::Verdict Admission::next() {
  while (!touched_.empty()) {
    const Node& n = nodes_[touched_.back()];
    const Queue& queue = n.inner.empty() ? n.outer : n.inner;
    if (queue.empty()) {
      touched_.pop_back();
      continue;
    }
    MemoryRequest& request = *queue.begin()->second;
    const Answer answer = is_first(request) ? judge(request) : Answer::later;
    if (answer == Answer::later) {
      touched_.pop_back();
      continue;
    }
    leave(request);  // and looks at these nodes again
    if (answer == Answer::granted) grant(request);
    return {&request, answer};
  }
  return {};
}

}  // namespace convoy::sim
