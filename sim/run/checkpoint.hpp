#pragma once

// A checkpoint of the learning, in a folder beside the store: an index (JSON) and safetensors files
// for versions still in use, nodes' states and results not yet taken. The simulation itself is not
// saved: a resumed run simulates again, which is quick, and takes the learning's results from the
// checkpoint.

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/engine.hpp"
#include "sim/run/held_results.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// Stored facts of a finished task.
struct TaskLearned {
  double loss = 0;
  std::optional<double> local_accuracy;
  bool finite = true;
  double kept = 1;  // share of the members of its groups that its submodel keeps
  std::optional<engine::AggregationReport> aggregation;
};

// The sizes of a submodel on which its costs depend.
struct Sizes {
  int depth = 0;
  std::vector<int> members;  // members kept of each group
  // Elements kept of each tensor, under masks (engine::Submodel::elements); empty: all.
  std::vector<std::int64_t> elements = {};

  Sizes() = default;
  explicit Sizes(const engine::Submodel& submodel)
      : depth(submodel.depth), members(engine::sizes_of(submodel)), elements(submodel.elements) {}
};

// All learning results so far: a resumed run reads them instead of computing them again.
struct Results {
  std::map<TaskId, TaskLearned> tasks;                     // finished tasks
  std::set<TaskId> gone;                                   // tasks that failed or were cancelled
  std::map<TaskId, Sizes> sizes;                           // tasks with sizes requested so far
  std::map<std::int64_t, engine::Evaluation> evaluations;  // by version
};

// Another node's task at the time when an aggregation was ordered, and the node's state then.
struct AtWork {
  engine::TaskAtWork task;
  TaskId made_by = no_task;  // the task that produced the state
};

// An assigned task whose result has not been taken: under way, or finished and waiting.
struct LiveTask {
  std::int64_t version = 0;                         // version that it started from
  std::shared_ptr<const engine::Weights> received;  // null: no longer needed
  std::shared_ptr<const engine::Artifact> result;   // null: under way
  std::optional<std::vector<AtWork>> at_work = {};  // see engine::TaskInput
};

// Key of a state: a node that trains and one that aggregates keep different states.
using StateOf = std::pair<NodeId, bool>;  // the node, and whether it aggregates

// The tasks of a session that they share (SharedSession), before their group ends. A resumed run
// computes all of them again from the group's beginning.
struct OpenGroup {
  std::int64_t version = 0;  // from which they all begin
  std::shared_ptr<const engine::Weights> received;
};

struct Checkpoint {
  std::int64_t version = -1;                       // newest version; -1: empty checkpoint
  std::shared_ptr<const engine::Weights> weights;  // of this version
  // By node (training or aggregating): its state, the task that produced the state, and the
  // submodel it keeps.
  struct State {
    TaskId task = no_task;
    std::shared_ptr<const engine::NodeState> state;
    Sizes sizes;
  };
  std::map<StateOf, State> states;
  // Where nodes have layers of their own: the states of those that had any when the newest version
  // was made.
  std::map<NodeId, State> own_layers;
  std::map<std::int64_t, OpenGroup> groups;
  // These contain nothing of the tasks of open groups.
  std::map<TaskId, LiveTask> live;
  Results results;
};

using OwnLayers = std::map<NodeId, Checkpoint::State>;

class CheckpointFolder {
 public:
  CheckpointFolder(std::filesystem::path folder, std::string scenario_hash,
                   std::shared_ptr<const engine::Engine> engine);

  // Reads the checkpoint; without an index an empty one. Throws base::UserError naming the file if
  // it cannot be read or belongs to another scenario. Results and states are held as others are.
  [[nodiscard]] Checkpoint read(HeldResults& held) const;
  // Keeps existing files that are still needed and removes the others. A process killed at any
  // moment leaves the old checkpoint or the new one.
  void write(const Checkpoint& checkpoint) const;
  void remove() const;

 private:
  std::filesystem::path folder_;
  std::string hash_;
  std::shared_ptr<const engine::Engine> engine_;
};

}  // namespace convoy::sim
