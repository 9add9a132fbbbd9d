#pragma once

// A task as a graph of activities: Computes on nodes and Transfers between nodes, tied together by
// the artifacts that they consume and produce. Nodes are named by role (0, 1, ...); who plays which
// role is said when the task is assigned, so that one graph serves every node of a kind.
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
using TaskId = std::int64_t;  // given by the schedule, from 0, never used twice
constexpr NodeId server_node = 0;
constexpr NodeId no_node = -1;
constexpr TaskId no_task = -1;

enum class ActivityKind : std::uint8_t { compute, transfer };

struct Activity {
  ActivityKind kind = ActivityKind::compute;
  std::string label;   // "download", "train", ...: for people and for the store
  int at = 0;          // role: where it computes, or who sends
  int to = 0;          // role: who receives
  double seconds = 0;  // compute: at the node's nominal speed, >= 0
  // compute: what its node draws meanwhile, where that is known better than by the node's busy_w.
  std::optional<double> watts;
  double flops = 0;          // compute: for the record
  double bytes = 0;          // transfer: >= 0
  double memory = 0;         // compute: bytes of the node that it holds while it runs
  int priority = 0;          // in a lane the lowest goes first, then the one that was ready first
  std::vector<int> inputs;   // artifacts that must be there
  std::vector<int> outputs;  // artifacts that it makes
  std::vector<int> after;    // other activities that must have ended
  engine::Work work;         // compute: what it does with its artifacts; carried unopened
  // Its size (seconds, FLOPs, bytes, memory) depends on what was learned: where the run learns, it
  // is asked for when the activity starts; what stands here is what is expected.
  bool sized_late = false;
};

// Something that activities hand on: weights, an activation, a gradient, an update. Its version is
// that of the task's base.
struct Artifact {
  std::string name;
  double bytes = 0;
  int place = 0;      // role
  int producer = -1;  // activity, or -1: there from the start
};

// What a compute leaves behind on its node.
struct Product {
  std::string name;
  double bytes = 0;
};

class TaskGraph {
 public:
  // `artifacts`: how many to make room for, where there are many.
  explicit TaskGraph(int roles, std::size_t artifacts = 0) : roles_(roles) {
    artifacts_.reserve(artifacts);
  }

  // An artifact that is at `place` from the start.
  int artifact(std::string name, double bytes, int place);
  // Moves a copy of an artifact to another role; gives the copy.
  int transfer(std::string label, int artifact, int to, int priority = 0);
  // Computes on artifacts that are at its node; gives the product. `activity.kind`, inputs and
  // outputs are filled in.
  int compute(Activity activity, std::vector<int> inputs, Product product);
  // An order between activities that no artifact expresses.
  void order(int before, int after);
  // Marks an activity as sized_late.
  void size_late(int activity);
  // Runs the whole graph n times, each pass after all of the one before. Training goes on from one
  // pass to the next, with other draws.
  void repeat(int n) { repeat_ = n; }

  [[nodiscard]] int roles() const { return roles_; }
  [[nodiscard]] int repeat() const { return repeat_; }
  [[nodiscard]] const std::vector<Activity>& activities() const { return activities_; }
  [[nodiscard]] const std::vector<Artifact>& artifacts() const { return artifacts_; }
  // The activity that makes an artifact.
  [[nodiscard]] int producer(int artifact) const;
  // The artifacts that are there from the start, in the order in which they were given.
  [[nodiscard]] std::vector<int> first_artifacts() const;
  // The task's result: the artifact made last (of the last pass); -1 where there is none.
  [[nodiscard]] int result() const { return static_cast<int>(artifacts_.size()) - 1; }

  // For each activity, those that wait for it; and for how many it waits itself. Without
  // duplicates.
  [[nodiscard]] const std::vector<std::vector<int>>& successors() const { return successors_; }
  [[nodiscard]] const std::vector<int>& waits_for() const { return waits_for_; }

 private:
  int add(Activity activity);
  void depend(int before, int after);

  int roles_;
  int repeat_ = 1;
  std::vector<Activity> activities_;
  std::vector<Artifact> artifacts_;
  std::vector<std::vector<int>> successors_;
  std::vector<int> waits_for_;
};

}  // namespace convoy::sim
