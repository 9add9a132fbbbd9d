#pragma once

// Memory of the nodes. Internal to sim/world.
//
// A compute takes Activity::memory from its start to its end. Artifacts that hold memory
// (TaskGraph::hold) take it besides, and keep it between activities.
//
// A task with such artifacts begins when what it needs on all its nodes (footprint.hpp) is its own
// (admission.hpp): then its activities never wait for what they hold. Of a task without them, and
// where a task keeps nothing, each compute waits for its memory when it has its lane, and leaves
// the lane to others. What does not fit where nobody else is fails its task (out_of_memory), a task
// with held artifacts before it begins.
//
// What a task has reserved it keeps, whatever the free memory of a trace becomes. That is looked at
// when something asks, and when its turn comes; that it rises wakes nobody.

#include <functional>
#include <utility>

#include "sim/world/admission.hpp"
#include "sim/world/config.hpp"
#include "sim/world/footprint.hpp"
#include "sim/world/on_demand.hpp"
#include "sim/world/running.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

// Figures of a failure: see Event.
struct Lacking {
  double needed = 0;
  double free = 0;
  double capacity = 0;
};

class Memory {
 public:
  // `changed`: what is taken on a node has changed; only of nodes where an artifact is held or was.
  // `waited`: of a task, or of a compute of it, a wait of so many seconds is over.
  // `config` must live as long as this.
  Memory(const WorldConfig& config, std::function<double()> now,
         std::function<void(NodeId)> changed = {},
         std::function<void(const RunningTask&, double)> waited = {});

  // Asks for all that the task needs. `later`: next_verdict() gives its RunningTask::memory; or, if
  // it does not wait, it is refused.
  Admission::Answer admit(RunningTask& task, bool waits);
  // Takes what the activity needs to start now, with its lanes. `later`: next_verdict() gives its
  // RunningActivity::request, with its memory; `never`: the request has the figures.
  Admission::Answer make_room(RunningActivity& a);
  // A wait that is over; call until there is none.
  Admission::Verdict next_verdict();
  // A waiting activity is cancelled.
  void withdraw(RunningActivity& a);
  // At MemoryRequest::where.
  [[nodiscard]] Lacking lacking(const MemoryRequest& request) const;

  // The activity starts. It ends or is cancelled: `ended` false.
  void take(const RunningActivity& a);
  void give_back(RunningActivity& a, bool ended);
  // A pass of the task begins; the task ends in any way.
  void begin_pass(RunningTask& task);
  void release(RunningTask& task);

  // Bytes taken at present, without what is reserved and not taken.
  [[nodiscard]] double taken(NodeId node) const {
    const Node* const used = nodes_.find(node);
    return used != nullptr ? used->taken() : 0;
  }
  // The most so far, and the waits that are over.
  void count_into(NodeUsage& usage, NodeId node) const;

 private:
  struct Node {
    double used = 0;        // by computes
    int users = 0;          // computes with memory
    double held = 0;        // by artifacts
    int holders = 0;        // artifacts
    bool has_held = false;  // ever
    double peak = 0;
    std::int64_t waits = 0;  // that are over
    double wait_s = 0;

    [[nodiscard]] double taken() const { return used + held; }
  };

  // Visits what begins to hold memory with this activity.
  template <class Visit>
  void on_new(const RunningActivity& a, Visit visit) const;
  void hold(RunningTask& task, int artifact);
  void let_go(RunningTask& task, int artifact);
  void tell(NodeId node) const;
  // Bytes that the activity needs on its node, with all that its task holds there.
  [[nodiscard]] double needed(const RunningActivity& a) const;
  Admission::Answer refuse(RunningActivity& a) const;
  // A request that waited, and does no more.
  void count_wait(const MemoryRequest& request);

  std::function<double()> now_;
  std::function<void(NodeId)> changed_;
  std::function<void(const RunningTask&, double)> waited_;
  Admission admission_;
  Footprints footprints_;
  OnDemand<Node> nodes_;
};

}  // namespace convoy::sim
