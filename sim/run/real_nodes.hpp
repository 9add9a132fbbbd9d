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
  // False: the run computes the results of real nodes itself (a recording without updates).
  [[nodiscard]] virtual bool bring_results() const { return true; }

  // A task of a real node starts; its activities begin after this.
  virtual void assigned(const engine::TaskInput& input, std::shared_ptr<const TaskGraph> graph) = 0;
  // The result of a task whose last activity has ended; once. Throws base::UserError where it is
  // lost.
  virtual engine::Outcome outcome(TaskId task) = 0;
  [[nodiscard]] virtual bool has_outcome(TaskId task) = 0;
  // Something is to be told to nodes as soon as it is written down.
  [[nodiscard]] virtual bool has_orders() const = 0;
  // What has begun so far is written down: now nodes may be told of it.
  virtual void flush_orders() = 0;
  // What keeps the backend itself from going on, such as a full disk: no node is to blame, and the
  // run fails with it. Empty: nothing.
  [[nodiscard]] virtual std::string trouble() { return ""; }
  // What their sensors said since the last call; the virtual time is not filled in.
  virtual std::vector<ReadingRow> readings() { return {}; }
};

}  // namespace convoy::sim
