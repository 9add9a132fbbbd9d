#pragma once

// The tasks that an agent knows: received weights, computed activities, result. Not thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "engine/api/engine.hpp"
#include "hil/protocol/messages.hpp"

namespace convoy::hil {

struct NodeTask {
  using Step = std::pair<int, int>;  // activity, iteration

  std::int32_t attempt = 0;
  engine::TaskInput input;
  bool has_input = false;
  std::unique_ptr<engine::Session> session;
  std::map<Step, std::int64_t> took_ns;  // by ended activity, in ns
  std::optional<engine::Outcome> outcome;
  std::stop_source stop;
  // Of a split task: what it has made and got and may still need or send again, by its number.
  bool split = false;
  std::map<int, std::shared_ptr<const engine::Artifact>> artifacts;

  // A compute of a split task that has not got all that it takes; it is on its way.
  [[nodiscard]] bool waits_for_inputs(const wire::BeginT& begin) const;
  // What a compute of a split task takes. Throws base::UserError if something is not there.
  [[nodiscard]] std::vector<engine::Input> inputs_of(const std::vector<int>& numbers) const;
};

class NodeTasks {
 public:
  // Null if the task is unknown or known in another attempt only.
  [[nodiscard]] std::shared_ptr<NodeTask> find(std::int64_t task, std::int32_t attempt) const;
  [[nodiscard]] bool knows(std::int64_t task) const { return tasks_.contains(task); }
  // The task in any attempt; a new one if unknown.
  NodeTask& of(std::int64_t task);
  // A node has one task at a time: stops and forgets all others.
  void replace_all(std::int64_t task, std::shared_ptr<NodeTask> by);
  void stop_all();
  void forget(std::int64_t task) { tasks_.erase(task); }
  void forget_all() { tasks_.clear(); }

  // The list that a reconnecting agent sends to its coordinator.
  [[nodiscard]] std::vector<wire::KnownTaskT> known() const;

 private:
  std::map<std::int64_t, std::shared_ptr<NodeTask>> tasks_;
};

}  // namespace convoy::hil
