#pragma once

// Memory of the nodes. Internal to sim/world.
//
// A compute takes Activity::memory from its start to its end. Artifacts that hold memory
// (TaskGraph::hold) take it besides, and keep it between activities. All that an activity takes, it
// takes at its start; nothing is taken later. One that does not fit
// - waits if it will fit when others have given back what they hold,
// - fails its task (out_of_memory) if it does not fit beside what it needs itself.
// Others may overtake who waits, for they may be those that free the memory. The free memory of a
// trace is looked at when something may start: that it rises wakes nobody.
//
// Tasks that hold memory and wait for memory may wait for each other, or a task for itself (more
// stashes than fit, before the first backward). Nothing is refused beforehand: whether it happens
// depends on the order. Instead, stuck() finds such tasks, once all that can start has started.

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "platforms/traces/signal.hpp"
#include "sim/world/config.hpp"
#include "sim/world/running.hpp"

namespace convoy::sim {

class Memory {
 public:
  enum class Room { now, later, never };

  // `freed`: called when a node has more free memory than before.
  Memory(const WorldConfig& config, std::function<double()> now, std::function<void(NodeId)> freed);

  [[nodiscard]] Room room_for(const RunningActivity& a) const;
  // A node where the activity does not fit now; no_node: it fits.
  [[nodiscard]] NodeId too_small(const RunningActivity& a) const;

  // Bytes that it needs on a node, with all that its task holds there.
  [[nodiscard]] double needed(const RunningActivity& a, NodeId node) const;

  // The activity starts. It ends or is cancelled: `ended` false.
  void take(const RunningActivity& a);
  void give_back(const RunningActivity& a, bool ended);
  // A pass of the task begins; the task ends in any way.
  void begin_pass(RunningTask& task);
  void release(RunningTask& task);

  // Bytes taken at present, and most so far.
  [[nodiscard]] double taken(NodeId node) const { return nodes_[node].taken(); }
  [[nodiscard]] double peak(NodeId node) const { return nodes_[node].peak; }

  // Of the tasks to which the waiting activities belong, one that can never go on, since each of
  // its activities waits for memory that only such tasks hold. First the youngest of those that do
  // not fit beside what they hold themselves; else the youngest that holds something. The activity
  // that waits; null: none is stuck.
  [[nodiscard]] RunningActivity* stuck(std::span<RunningActivity* const> waiting) const;

 private:
  struct Node {
    double limit = 0;                                      // bytes; 0: none
    std::shared_ptr<const platforms::Signal> memory_free;  // limit by the trace
    double used = 0;                                       // by computes
    int users = 0;                                         // computes with memory
    double held = 0;                                       // by artifacts
    int holders = 0;                                       // artifacts
    double peak = 0;

    [[nodiscard]] double taken() const { return used + held; }
  };
  // A task of which nothing runs or waits for a lane.
  struct Blocked {
    RunningTask* task = nullptr;
    RunningActivity* first = nullptr;  // of those that wait for memory
    bool holds = false;                // anything
    bool too_large = true;             // none of them fits beside what the task itself holds
    std::vector<NodeId> where;         // the others wait
  };
  // What an activity takes at its start: at its node and, if that is another one, at its peer.
  struct Wanted {
    double at_node = 0;
    double at_peer = 0;
  };

  [[nodiscard]] Wanted wanted(const RunningActivity& a) const;
  [[nodiscard]] bool fits(NodeId node, double taken, double wanted) const;
  [[nodiscard]] bool never_fits(const RunningActivity& a, NodeId node, double wanted) const;
  // Visits what begins to hold memory with this activity.
  template <class Visit>
  void on_new(const RunningActivity& a, Visit visit) const;
  void hold(RunningTask& task, int artifact);
  void let_go(RunningTask& task, int artifact);
  // Bytes and number of the artifacts of a task that hold memory on a node.
  [[nodiscard]] std::pair<double, int> held_by(const RunningTask& task, NodeId node) const;
  [[nodiscard]] bool too_large_alone(const RunningActivity& a) const;
  [[nodiscard]] std::vector<Blocked> blocked(std::span<RunningActivity* const> waiting) const;

  std::function<double()> now_;
  std::function<void(NodeId)> freed_;
  ByNode<Node> nodes_;
};

}  // namespace convoy::sim
