#pragma once

// Who gets a node's memory, and in which order. Internal to sim/world.
//
// A request asks for bytes on one node or several, all or nothing. Two kinds of bytes:
// - `reserved`: until the request is released. A task that keeps something in memory between its
//   computes has its peak on a node reserved from its first activity to its end.
// - `most`: of a task that keeps nothing on a node, the compute there that needs most. Of all tasks
//   that are in, only the largest such amount is kept free: their computes take it by turns.
//
// Requests are granted in the order of arrival: one waits as long as an earlier one waits for any
// of the same nodes. Nobody overtakes, and the first of all waits only for what others have, so
// that nobody waits for ever, and no two for each other. Computes of tasks that are in come before
// all of these (`is_inner`): they wait only for computes that run.
//
// Each event costs O(log n), n: the requests that wait, and a look at one request for each node
// where memory was freed.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "platforms/traces/signal.hpp"
#include "sim/world/config.hpp"
#include "sim/world/on_demand.hpp"

namespace convoy::sim {

struct RunningTask;
struct RunningActivity;

struct MemoryRequest {
  enum class State { none, waiting, granted };
  struct Need {
    NodeId node = no_node;
    double reserved = 0;  // bytes
    double most = 0;      // bytes, of its computes
  };

  State state = State::none;
  std::vector<Need> needs;  // by node, each once
  RunningTask* task = nullptr;
  RunningActivity* activity = nullptr;  // nullptr: the task asks, for all of its activities
  bool is_inner = false;                // of an activity of a task that is in
  std::uint64_t order = 0;
  double since = -1;       // s: asked; -1: it did not have to wait
  NodeId where = no_node;  // the first node that could not grant it when it asked, or never can
};

class Admission {
 public:
  enum class Answer {
    granted,
    later,  // next() gives it
    never,  // it does not fit where nobody else has anything; at MemoryRequest::where
  };

  // `config` must live as long as this.
  Admission(const WorldConfig& config, std::function<double()> now);

  // For a request in no state. `waits`: else it is not queued if the answer is `later`.
  Answer ask(MemoryRequest& request, bool waits = true);
  // Granted: gives the bytes back. Waiting: leaves. The state is `none` then.
  void end(MemoryRequest& request);
  // More bytes for a request that is granted, at one of its nodes; false: they are not there now.
  [[nodiscard]] bool grow(MemoryRequest& request, NodeId node, double bytes);

  // Bytes that an activity takes and gives back without a request: of what `most` keeps free for
  // it, or what its task has not reserved. Whether it may: an activity without a request must ask.
  [[nodiscard]] bool take(NodeId node, double bytes, bool is_inner);
  void give_back(NodeId node, double bytes);

  struct Verdict {
    MemoryRequest* request = nullptr;  // nullptr: none
    Answer answer = Answer::granted;   // or never: it has left the queues
  };
  // A request whose wait is over. Call until there is none.
  Verdict next();

  // Bytes that no request and no activity has; 0 and more. Infinity: no limit.
  [[nodiscard]] double free(NodeId node) const;
  // Bytes that the node has for tasks now; infinity: no limit.
  [[nodiscard]] double capacity(NodeId node) const;

 private:
  using Queue = std::map<std::uint64_t, MemoryRequest*>;
  struct Node {
    double limit = 0;                                      // bytes; infinity: none
    std::shared_ptr<const platforms::Signal> memory_free;  // limit by the trace
    double reserved = 0;
    int reservations = 0;
    std::map<double, int> most;  // of the tasks that are in
    double used = 0;             // beside what is reserved
    int users = 0;
    Queue inner;  // that wait
    Queue outer;

    [[nodiscard]] double largest() const { return most.empty() ? 0 : most.rbegin()->first; }
  };

  [[nodiscard]] static Node made(const NodeConfig& config);
  Queue& queue_of(const MemoryRequest& request, NodeId node);
  [[nodiscard]] bool is_first(const MemoryRequest& request) const;
  [[nodiscard]] bool fits(const MemoryRequest& request, const MemoryRequest::Need& need) const;
  // Beside nobody else; an inner one: beside what is reserved.
  [[nodiscard]] bool fits_alone(const MemoryRequest& request,
                                const MemoryRequest::Need& need) const;
  // Judges a request that comes first everywhere.
  Answer judge(MemoryRequest& request) const;
  void grant(MemoryRequest& request);
  void leave(MemoryRequest& request);
  void touch(NodeId node);

  std::function<double()> now_;
  OnDemand<Node> nodes_;
  std::vector<NodeId> touched_;  // where a request may be granted now
  std::uint64_t next_ = 0;
};

}  // namespace convoy::sim
