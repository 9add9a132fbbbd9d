#include "hil/agent/node_tasks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/diagnostics.hpp"

namespace convoy::hil {

bool NodeTask::waits_for_inputs(const wire::BeginT& begin) const {
  if (!split || took_ns.contains({begin.activity, begin.iteration})) return false;
  return std::ranges::any_of(
      begin.inputs, [this](int number) { return number >= 0 && !artifacts.contains(number); });
}

std::vector<engine::Input> NodeTask::inputs_of(const std::vector<int>& numbers) const {
  std::vector<engine::Input> inputs;
  for (const int number : numbers) {
    const auto found = artifacts.find(number);
    if (number >= 0 && found == artifacts.end()) {
      throw base::UserError(
          fmt::format("the agent has not got artifact {} of task {}", number, input.task));
    }
    inputs.push_back({number < 0 ? input.received : found->second, nullptr});
  }
  return inputs;
}

std::shared_ptr<NodeTask> NodeTasks::find(std::int64_t task, std::int32_t attempt) const {
  const auto found = tasks_.find(task);
  if (found == tasks_.end() || found->second->attempt != attempt) return nullptr;
  return found->second;
}

NodeTask& NodeTasks::of(std::int64_t task) {
  std::shared_ptr<NodeTask>& there = tasks_[task];
  if (!there) there = std::make_shared<NodeTask>();
  return *there;
}

void NodeTasks::replace_all(std::int64_t task, std::shared_ptr<NodeTask> by) {
  stop_all();
  tasks_.clear();
  tasks_[task] = std::move(by);
}

void NodeTasks::stop_all() {
  for (const auto& [id, task] : tasks_) task->stop.request_stop();
}

std::vector<wire::KnownTaskT> NodeTasks::known() const {
  std::vector<wire::KnownTaskT> all;
  for (const auto& [id, task] : tasks_) {
    wire::KnownTaskT k;
    k.task = id;
    k.attempt = task->attempt;
    k.version = task->input.version;
    k.input = task->has_input;
    k.done = task->outcome.has_value();
    all.push_back(k);
  }
  return all;
}

}  // namespace convoy::hil
