#pragma once

// A task as a graph of activities: computes on nodes and transfers between nodes, connected by the
// artifacts that they consume and produce. Nodes are given by role (0, 1, ...); the assignment maps
// roles to nodes, so that one graph serves all nodes of a kind.
//
//   TaskGraph graph(2);                                          // 0: server, 1: worker
//   const int model = graph.artifact("model", 4e8, 0);
//   const int here  = graph.transfer("download", model, 1);
//   const int delta = graph.compute({.label = "train", .at = 1, .seconds = 12.5}, {here},
//                                   {"update", 4e8});
//   graph.transfer("upload", delta, 0);

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/api/work.hpp"

namespace convoy::sim {

using NodeId = std::int32_t;  // index in the fleet; 0 is the server
using TaskId = std::int64_t;  // chosen by the schedule, from 0, unique
constexpr NodeId server_node = 0;
constexpr NodeId no_node = -1;
constexpr TaskId no_task = -1;

// What becomes of a task that keeps something in memory between its activities, if a node's memory
// has no room for it now, though alone it would fit.
enum class WhenFull : std::uint8_t {
  wait,    // for those that came before it
  refuse,  // it fails before it starts (Cause::out_of_memory)
};

enum class ActivityKind : std::uint8_t { compute, transfer };

struct Activity {
  ActivityKind kind = ActivityKind::compute;
  std::string label;   // "download", "train", ...: for display and the store
  int at = 0;          // role of the computing or sending node
  int to = 0;          // role of the receiving node
  double seconds = 0;  // compute: at the node's nominal speed, >= 0
  // compute: draw of its node, if known better than the node's busy_w.
  std::optional<double> watts;
  // compute: the part of its node's speed that it is guaranteed and, unless `at_least`, never
  // exceeds, (0, 1]; 0: none, it has what those with a share leave, in equal parts with the others.
  double share = 0;
  double flops = 0;        // compute: for statistics only
  double bytes = 0;        // transfer: >= 0
  double whole_bytes = 0;  // transfer: that it would have uncompressed; 0: it is not compressed
  double bytes_per_s = 0;  // transfer: most that it gets of its links; 0: no limit
  // `share` and `bytes_per_s` are what it is guaranteed, in proportion to which it has more where
  // others leave something. For transfers from and to the server, one at a time in each direction
  // of a node's link; with NetworkModel::cm02.
  bool at_least = false;
  double memory = 0;         // compute: bytes held while it runs, besides those of Artifact::held
  int priority = 0;          // the lowest goes first in a lane, then the one ready first
  std::vector<int> inputs;   // artifacts needed
  std::vector<int> outputs;  // artifacts made
  std::vector<int> after;    // further activities that must end first
  engine::Work work;         // compute: the engine's work; carried unopened
  // Its size (seconds, FLOPs, bytes, memory) depends on the learning: in learning runs the size is
  // requested when the activity starts, and the values here are estimates.
  bool sized_late = false;
  // compute: it is outside of the simulated world, as an evaluation is: it takes no time, and its
  // inputs may be at any roles, as if nobody had to send them.
  bool off_clock = false;

  // What it never exceeds: of its links in bytes/s (0: no limit), of its node's speed.
  [[nodiscard]] double most_bytes_per_s() const { return at_least ? 0 : bytes_per_s; }
  [[nodiscard]] double most_share() const { return at_least || share <= 0 ? 1 : share; }
};

// Data passed between activities: weights, an activation, a gradient, an update. Its version is
// that of the task's base.
struct Artifact {
  std::string name;
  double bytes = 0;
  int place = 0;           // role of the node that holds it
  int producer = -1;       // activity that makes it; -1: given at the start
  double whole_bytes = 0;  // that it would have uncompressed; 0: it is not compressed
  double held = 0;         // see TaskGraph::hold
};

// The product of a compute, on its node.
struct Product {
  std::string name;
  double bytes = 0;
  double whole_bytes = 0;  // see Artifact
};

class TaskGraph {
 public:
  // `artifacts`: capacity to reserve for large graphs.
  explicit TaskGraph(int roles, std::size_t artifacts = 0) : roles_(roles) {
    artifacts_.reserve(artifacts);
  }

  // Adds an artifact that is at `place` from the start.
  int artifact(std::string name, double bytes, int place);
  // Adds a transfer of a copy to another role; gives the copy.
  int transfer(std::string label, int artifact, int to, int priority = 0);
  // The same of a part of it, of so many bytes (>= 0): some samples of an activation, a chunk of a
  // sum. The copy has the bytes of the part. The engine gets the whole: the work that takes the
  // copy says which part of it is meant.
  int transfer_part(std::string label, int artifact, double bytes, int to, int priority = 0);
  // Adds a compute on artifacts at its node; gives the product. Fills in `activity.kind`, inputs
  // and outputs. Throws std::invalid_argument for a share that is no part of a node.
  int compute(Activity activity, std::vector<int> inputs, Product product);
  // Adds an order between activities that share no artifact.
  void order(int before, int after);
  // Bytes of memory (>= 0) that the artifact holds at its place while it lives: a stash, weights, a
  // gradient. It holds them from the start of the activity that makes it, so that this never ends
  // without room for what it has made, to the end of the last that takes it as an input; without
  // one, to the end of the pass. What is given at the start holds them from the first activity at
  // its place to the end of the last that takes it in the last pass; without one, to the task's
  // end. A copy (transfer) holds nothing of itself.
  void hold(int artifact, double bytes);
  // The transfer that makes this artifact gets at most so many bytes/s (> 0) of its links. Of a
  // real node's transfers only those of modelled times obey: a measured one takes what it really
  // has.
  void limit(int artifact, double bytes_per_s);
  // The same as a guarantee: see Activity::at_least.
  void guarantee(int artifact, double bytes_per_s);
  // Marks an activity as sized_late.
  void size_late(int activity);
  // Repeats the whole graph n times; each pass begins after the end of the one before. Training
  // goes on between passes, with new random draws.
  void repeat(int n) { repeat_ = n; }

  [[nodiscard]] int roles() const { return roles_; }
  [[nodiscard]] int repeat() const { return repeat_; }
  [[nodiscard]] const std::vector<Activity>& activities() const { return activities_; }
  [[nodiscard]] const std::vector<Artifact>& artifacts() const { return artifacts_; }
  // The activity that makes an artifact; -1: given at the start.
  [[nodiscard]] int producer(int artifact) const;
  // Artifacts given at the start, in the order in which they were added.
  [[nodiscard]] std::vector<int> first_artifacts() const;
  // Whether any artifact holds memory; those among the first artifacts; by artifact: the number of
  // inputs that it is.
  [[nodiscard]] bool holds() const { return holds_; }
  [[nodiscard]] const std::vector<int>& held_at_start() const { return held_at_start_; }
  [[nodiscard]] const std::vector<int>& consumers() const { return consumers_; }
  // The result: the artifact added last (of the last pass); -1 for an empty graph.
  [[nodiscard]] int result() const { return static_cast<int>(artifacts_.size()) - 1; }

  // True if others than the worker (a role) compute a part of what the task learns: a model that is
  // split between nodes. To pack what the worker starts from does not count.
  [[nodiscard]] bool is_split(int worker) const;

  // By activity: the activities that wait for it; and the number that it waits for. Without
  // duplicates.
  [[nodiscard]] const std::vector<std::vector<int>>& successors() const { return successors_; }
  [[nodiscard]] const std::vector<int>& waits_for() const { return waits_for_; }

 private:
  int add(Activity activity);
  int add(Artifact artifact);
  void depend(int before, int after);

  int roles_;
  int repeat_ = 1;
  std::vector<Activity> activities_;
  std::vector<Artifact> artifacts_;
  std::vector<int> consumers_;
  bool holds_ = false;
  std::vector<int> held_at_start_;
  std::vector<std::vector<int>> successors_;
  std::vector<int> waits_for_;
};

}  // namespace convoy::sim
