#pragma once

// Real nodes, as a run sees them: beside carrying out activities they are given what a task starts
// from, and bring its result.

#include <memory>
#include <vector>

#include "engine/api/engine.hpp"
#include "sim/store/rows.hpp"
#include "sim/world/real.hpp"

namespace convoy::sim {

class RealNodes : public RealBackend {
 public:
  // The run's engine, before the first task.
  virtual void use(std::shared_ptr<const engine::Engine> engine) = 0;
  // False: the run computes the results of real nodes itself (recording without updates).
  [[nodiscard]] virtual bool bring_results() const { return true; }

  // A real node's task starts; its activities begin after this call.
  virtual void assigned(const engine::TaskInput& input, std::shared_ptr<const TaskGraph> graph) = 0;
  // Gives the result of a task whose last activity has ended; once per task. From here on it
  // counts: its node may forget it, and what the node has learned of itself in it holds. Throws
  // base::UserError if the result is lost.
  virtual engine::Outcome outcome(TaskId task) = 0;
  [[nodiscard]] virtual bool has_outcome(TaskId task) = 0;
  // As outcome(), for the node, of a result that an earlier process of the run was given and that
  // this one has already.
  virtual void taken_before(NodeId /*node*/, TaskId /*task*/) {}
  // True if orders wait to be sent to nodes; they are sent after the recorder has saved them.
  [[nodiscard]] virtual bool has_orders() const = 0;
  // Everything so far is recorded: pending orders may be sent to the nodes.
  virtual void flush_orders() = 0;
  // A fault of the backend itself, such as a full disk: the run fails with this reason and no node
  // is blamed. Empty: no fault.
  [[nodiscard]] virtual std::string trouble() { return ""; }
  // Sensor readings since the last call; the virtual time is not filled in.
  virtual std::vector<ReadingRow> readings() { return {}; }
};

}  // namespace convoy::sim
