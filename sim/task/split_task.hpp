#pragma once

// A task whose model is split between a node and the server, as a real node and the coordinator
// carry it out: one activity after another, what is made on one side crossing to the other.
//
// Artifacts have the number that they have in the graph where they are made; a copy that a transfer
// makes has that of the original, so that both machines call it the same.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/task/graph.hpp"

namespace convoy::sim {

class SplitTask {
 public:
  static constexpr int given = -1;  // the number of what the task starts from

  // Null if the graph is no split task: its worker computes all, or there is no other node. The
  // worker is the role to which the graph first sends something.
  static std::shared_ptr<const SplitTask> of(std::shared_ptr<const TaskGraph> graph);
  // Why real nodes cannot carry it out; empty: they can. The functions below need that they can.
  [[nodiscard]] std::string why_only_simulated() const;
  // Does the task step a part at the server that other tasks step, too (SplitFed v2)?
  [[nodiscard]] bool shares_servers_part() const;

  [[nodiscard]] const TaskGraph& graph() const { return *graph_; }
  [[nodiscard]] int worker() const { return worker_; }
  // The layers [first, last) of each stage that the worker trains, rising.
  [[nodiscard]] std::vector<std::pair<int, int>> worker_layers() const;

  // An artifact's number, see above.
  [[nodiscard]] int number(int artifact) const {
    return number_[static_cast<std::size_t>(artifact)];
  }
  [[nodiscard]] std::vector<int> inputs(int activity) const;
  // Of what a compute makes or a transfer sends.
  [[nodiscard]] int product(int activity) const;
  // From this activity on only what was given and artifacts from this number on are needed.
  [[nodiscard]] int keep_from(int activity) const {
    return keep_from_[static_cast<std::size_t>(activity)];
  }
  [[nodiscard]] bool is_transfer_to(int activity, int role) const;
  // No later activity sends the server anything.
  [[nodiscard]] bool is_last_upload(int activity) const { return activity == last_upload_; }
  // The task's result: made by this activity.
  [[nodiscard]] bool makes_result(int activity) const {
    return activity + 1 == static_cast<int>(graph_->activities().size());
  }

 private:
  SplitTask(std::shared_ptr<const TaskGraph> graph, int worker);

  std::shared_ptr<const TaskGraph> graph_;
  int worker_ = 0;
  std::vector<int> number_;     // by artifact
  std::vector<int> keep_from_;  // by activity
  int last_upload_ = -1;
};

}  // namespace convoy::sim
