#pragma once

// The simulated world: the clock, the nodes with their lanes, the network, what happens to them.
// SimGrid is behind it. It knows task graphs, not rounds or models.
//
//   World world(config, listener);
//   world.start(0, graph, {0, 3});   // before run(), or from within the listener
//   world.run();
//
// A node has lanes: compute, send, receive. One activity at a time in each, by priority, then in
// the order in which they became ready (a server sends and receives any number at once). A transfer
// needs the sender's and the receiver's lane.
//
// One world per process: SimGrid's clock goes on where the last one ended.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"
#include "sim/world/config.hpp"
#include "sim/world/real.hpp"

namespace convoy::sim {

// One activity from its readiness to its end.
struct ActivityRecord {
  TaskId task = no_task;
  int activity = 0;                // index in the graph
  int iteration = 0;               // of the graph's repetition
  const Activity* what = nullptr;  // valid during the call
  NodeId node = no_node;           // where it computed, or who sent
  NodeId peer = no_node;           // who received
  double ready_s = 0;
  double start_s = -1;  // -1: never started
  double end_s = 0;
  Cause cause = Cause::none;  // none: it ended as it should
  bool real = false;          // its duration was measured
  double predicted_s = -1;    // what the profile says of an activity of a real node; -1: simulated
  double energy_j = 0;        // its share of what the nodes drew, and what the links cost
};

// What a real node did, or did not, as far as the log and the lag are concerned.
struct RealReport {
  TaskId task = no_task;
  NodeId node = no_node;
  std::string label;     // of the activity
  double elapsed_s = 0;  // virtual
  double predicted_s = 0;
  double late_s = 0;  // delivered later than it should have been
  Cause cause = Cause::none;
  std::string detail;  // from the node, for people
};

class WorldListener {
 public:
  virtual ~WorldListener() = default;
  // Everything that happened at one instant, in order. May call the world.
  virtual void on_instant(std::span<const Event> events) = 0;
  // An activity that is sized_late starts: its size as it turned out. May wait for whoever knows.
  virtual Activity size_of(TaskId /*task*/, const Activity& expected) { return expected; }
  // An activity ended or was given up.
  virtual void on_activity(const ActivityRecord& record) = 0;
  // An activity of a real node was late, or failed.
  virtual void on_real(const RealReport& /*report*/) {}
  // A real node came or went.
  virtual void on_presence(const ElasticClock::Presence& /*presence*/, double /*now*/) {}
  // Everything of this moment has been reacted to; where there are real nodes, before they are
  // told.
  virtual void on_settled() {}
  // Now and then, also where virtual time passes without instants: a chance to stop().
  virtual void poll() {}
};

// What a node did so far.
struct NodeUsage {
  double busy_s = 0;           // computing
  double communicating_s = 0;  // sending or receiving
  double active_s = 0;         // either
  double away_s = 0;           // not there
  double bytes_in = 0;
  double bytes_out = 0;
  double peak_memory = 0;  // bytes
  double energy_j = 0;     // drawn, links included
  int tasks = 0;           // ended as they should
  int tasks_failed = 0;    // failed or given up
};

// An activity that runs.
struct UnderWay {
  TaskId task = no_task;
  NodeId node = no_node;  // where it computes, or who sends
  NodeId peer = no_node;  // who receives
  std::string label;
  double start_s = 0;
};

// "3.32.0": as it is loaded.
std::string simgrid_version();

class World {
 public:
  // `real`: who carries out the activities of real nodes; may be null where there are none.
  World(const WorldConfig& config, WorldListener& listener, RealBackend* real = nullptr);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs until stop() or until nothing is left that could happen. What the listener throws comes
  // out here, with the world stopped.
  void run();
  // Ends run() at the present instant; what is under way is given up (Cause::run_ended).
  void stop();

  [[nodiscard]] double now() const;  // s

  // Starts a task on the nodes that play its roles. A task that cannot start (a node is not there)
  // fails at this instant. `report`: give activity_done events. `worker`: the role of the node that
  // task_done names.
  void start(TaskId task, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
             bool report = false, int worker = 0);
  // Gives a task up at this instant; no event follows. Unknown tasks are ignored.
  void cancel(TaskId task);
  // A timer_fired event at `time` (now, if that is past), after all else that is due then.
  void set_timer(std::int64_t timer, double time);
  // Unknown ones, and those that have fired, are ignored.
  void cancel_timer(std::int64_t timer);

  [[nodiscard]] bool present(NodeId node) const;
  // The node is away, and will join or come back.
  [[nodiscard]] bool expected(NodeId node) const;
  // Tasks under way.
  [[nodiscard]] std::size_t tasks() const;
  // What runs at this moment; takes time in proportion to the tasks under way.
  [[nodiscard]] std::vector<UnderWay> under_way() const;
  [[nodiscard]] NodeUsage usage(NodeId node) const;
  // What a node has drawn so far, in joules. A transfer's cost by the byte counts from its end on.
  [[nodiscard]] double energy_j(NodeId node) const;
  // Where there are real nodes: how late what they did was delivered, at most, in virtual seconds.
  [[nodiscard]] double max_lag_s() const;
  // The network model and its settings, and which links were left out and why: for people.
  [[nodiscard]] std::string description() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::sim
