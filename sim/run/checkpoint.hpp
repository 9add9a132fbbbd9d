#pragma once

// What has been learned so far, in a folder beside the store: an index (JSON) and safetensors files
// for the versions that somebody still needs, the nodes' states and the results that wait to be
// taken. The simulation itself is not kept: a resumed run simulates anew, which takes moments,
// and is told from here what the learning had come to.

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/engine.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// What is remembered of a task that was done.
struct TaskLearned {
  double loss = 0;
  std::optional<double> local_accuracy;
  bool finite = true;
  double kept = 1;  // share of the members of its groups
  std::optional<engine::AggregationReport> aggregation;
};

// Of a submodel what its costs depend on.
struct Sizes {
  int depth = 0;
  std::vector<int> members;  // kept of each group
};

// All that was found out so far: what a resumed run is told instead of computing it.
struct Results {
  std::map<TaskId, TaskLearned> tasks;                     // that were done
  std::set<TaskId> gone;                                   // that came to nothing before their end
  std::map<TaskId, Sizes> sizes;                           // of those whose sizes were asked for
  std::map<std::int64_t, engine::Evaluation> evaluations;  // by version
};

// A task that is assigned and whose result nobody has taken: under way, or done and waiting.
struct LiveTask {
  std::int64_t version = 0;                         // that it started from
  std::shared_ptr<const engine::Weights> received;  // null: nobody needs it any more
  std::shared_ptr<const engine::Artifact> result;   // null: under way
};

// Whose state: a node that trains and one that aggregates remember different things.
using StateOf = std::pair<NodeId, bool>;  // the node, and whether it aggregates

struct Checkpoint {
  std::int64_t version = -1;                       // the newest; -1: nothing is there
  std::shared_ptr<const engine::Weights> weights;  // of it
  // By node (its own training, or its aggregating): its state, the task that left it so, and what
  // it keeps of the model.
  struct State {
    TaskId task = no_task;
    std::shared_ptr<const engine::NodeState> state;
    Sizes sizes;
  };
  std::map<StateOf, State> states;
  std::map<TaskId, LiveTask> live;
  Results results;
};

class CheckpointFolder {
 public:
  CheckpointFolder(std::filesystem::path folder, std::string scenario_hash,
                   std::shared_ptr<const engine::Engine> engine);

  // What is there; without an index an empty one. Throws base::UserError naming the file for what
  // cannot be read, or is of another scenario.
  [[nodiscard]] Checkpoint read() const;
  // Files that are there already are kept, those that nobody needs any more go. Killed at any
  // moment it leaves the old checkpoint or the new one.
  void write(const Checkpoint& checkpoint) const;
  void remove() const;

 private:
  std::filesystem::path folder_;
  std::string hash_;
  std::shared_ptr<const engine::Engine> engine_;
};

}  // namespace convoy::sim
