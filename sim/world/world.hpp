#pragma once

// The simulated world: clock, nodes with lanes, network, on top of SimGrid. It knows task graphs,
// but no rounds and no models.
//
//   World world(config, listener);
//   world.start(0, graph, {0, 3});   // before run(), or from within the listener
//   world.run();
//
// A node has the lanes compute, send and receive. Each lane runs one activity at a time, by
// priority, then in order of readiness (a server sends and receives any number at once; a node may
// compute several at once, which share its speed). A transfer needs the sender's and the receiver's
// lane. Memory: a task that keeps something in memory between its activities begins when its peak
// on each of its nodes is reserved, or waits for that, or is refused (WhenFull); of other tasks
// each compute waits for its own. In the order of arrival: see admission.hpp. A task that would not
// fit alone fails before it starts.
//
// One world per process: SimGrid's clock cannot be reset.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/non_copyable.hpp"
#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"
#include "sim/world/config.hpp"
#include "sim/world/real.hpp"

namespace convoy::sim {

// The record of one activity, from readiness to end.
struct ActivityRecord {
  TaskId task = no_task;
  int activity = 0;                // index in the graph
  int iteration = 0;               // of the graph's repetition
  const Activity* what = nullptr;  // valid during the call
  NodeId node = no_node;           // computing or sending node
  NodeId peer = no_node;           // receiving node
  double ready_s = 0;
  double start_s = -1;  // -1: never started
  double end_s = 0;
  Cause cause = Cause::none;  // none: success
  bool real = false;          // duration was measured
  double predicted_s = -1;    // of a real node's activity: duration by the profile; -1: simulated
  double energy_j = 0;        // its share of the nodes' draw, plus its links' costs
  double memory_needed = 0;   // bytes, if its node lacked memory: with all that its task held there
  double memory_asked_s = -1;  // since when it waited for memory, if it did; else -1
  std::string_view artifact;   // of a transfer: the name of what it moves; valid during the call
};

// Success or failure of a real node's activity, for the log and the lag.
struct RealReport {
  TaskId task = no_task;
  NodeId node = no_node;
  std::string label;     // of the activity
  double elapsed_s = 0;  // virtual
  double predicted_s = 0;
  double late_s = 0;  // delay of the delivery, s
  Cause cause = Cause::none;
  std::string detail;  // the node's text for people
};

class WorldListener {
 public:
  virtual ~WorldListener() = default;
  // All events of one instant, in order. May call the world.
  virtual void on_instant(std::span<const Event> events) = 0;
  // A sized_late activity starts: gives its real size. May wait for the computation.
  virtual Activity size_of(TaskId /*task*/, const Activity& expected) { return expected; }
  // An activity has ended or was cancelled.
  virtual void on_activity(const ActivityRecord& record) = 0;
  // The memory taken on a node has changed, of nodes as MemoryRow has them. Within one instant it
  // may change several times: the last counts.
  virtual void on_memory(NodeId /*node*/, double /*bytes*/, double /*now*/) {}
  // A wait for memory is over, also by the task's end: the task's, before it began, or a compute's.
  virtual void on_memory_wait(TaskId /*task*/, double /*seconds*/) {}
  // An activity of a real node was late or has failed.
  virtual void on_real(const RealReport& /*report*/) {}
  // A real node has come or gone.
  virtual void on_presence(const ElasticClock::Presence& /*presence*/, double /*now*/) {}
  // All events of this moment are handled; called before real nodes get new orders.
  virtual void on_settled() {}
  // Called from time to time, even if there are no events: may call stop().
  virtual void poll() {}
};

// What a node did so far.
struct NodeUsage {
  double busy_s = 0;           // computing; where all have shares, times their sum
  double communicating_s = 0;  // sending or receiving
  double active_s = 0;         // either
  double away_s = 0;           // absent
  double bytes_in = 0;
  double bytes_out = 0;
  double peak_memory = 0;  // bytes
  // Waits for its memory of tasks that had not begun, and of computes; and their time in all, s.
  std::int64_t memory_waits = 0;
  double memory_wait_s = 0;
  double energy_j = 0;   // drawn, links included
  int tasks = 0;         // successful
  int tasks_failed = 0;  // failed or cancelled

  friend bool operator==(const NodeUsage&, const NodeUsage&) = default;
};

// An activity under way.
struct UnderWay {
  TaskId task = no_task;
  NodeId node = no_node;  // computing or sending node
  NodeId peer = no_node;  // receiving node
  std::string label;
  double start_s = 0;
};

// Version of the loaded SimGrid: "3.32.0".
std::string simgrid_version();

class World : base::NonCopyable {
 public:
  // `real`: backend of the real nodes; may be null if there are none.
  World(const WorldConfig& config, WorldListener& listener, RealBackend* real = nullptr);
  ~World();

  // Runs until stop() or until no event can follow. Rethrows the listener's exceptions, with the
  // world stopped.
  void run();
  // Ends run() at the present instant; activities under way are cancelled (Cause::run_ended).
  void stop();

  [[nodiscard]] double now() const;  // s

  // Starts a task on the nodes that play its roles. A task with an absent node fails at this
  // instant. `report`: send activity_done events. `worker`: role of the node named in task_done.
  void start(TaskId task, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
             bool report = false, int worker = 0, WhenFull when_full = WhenFull::wait);
  // Cancels a task at this instant; no event follows. Unknown tasks are ignored.
  void cancel(TaskId task);
  // Sends timer_fired at `time` (or now, if that is past), after all other events due then.
  void set_timer(std::int64_t timer, double time);
  // Ignores unknown timers and those that have fired.
  void cancel_timer(std::int64_t timer);

  [[nodiscard]] bool present(NodeId node) const;
  // The node is absent and will join or come back.
  [[nodiscard]] bool expected(NodeId node) const;
  // Number of tasks under way.
  [[nodiscard]] std::size_t tasks() const;
  // Activities under way; takes time proportional to the number of tasks under way.
  [[nodiscard]] std::vector<UnderWay> under_way() const;
  // Of a node that has not worked, and never left, by formula: it needs no room for that.
  [[nodiscard]] NodeUsage usage(NodeId node) const;
  // Nodes of which the world keeps more than their configuration: those that have worked or left,
  // and those with a trace whose energy was asked for.
  [[nodiscard]] std::size_t nodes_made() const;
  // Nodes that SimGrid knows: those for which it carries out activities; none where it only keeps
  // the clock (network_solver.hpp).
  [[nodiscard]] std::size_t hosts() const;
  // Energy drawn by a node so far, in J. A transfer's cost per byte is added at its end.
  [[nodiscard]] double energy_j(NodeId node) const;
  // Bytes that computes and artifacts have taken on a node at present.
  [[nodiscard]] double memory_taken(NodeId node) const;
  // Greatest delay in delivering real nodes' events, in virtual s; 0 without real nodes.
  [[nodiscard]] double max_lag_s() const;
  // The network model, its settings, and omitted links with reasons: text for people.
  [[nodiscard]] std::string description() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::sim
