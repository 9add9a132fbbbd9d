#include "sim/run/groups.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace convoy::sim {

void Groups::check(const Assign& order) const {
  for (const TaskId taken : order.consumes) {
    const auto found = group_of_.find(taken);
    if (found == group_of_.end()) continue;
    throw std::logic_error(
        fmt::format("task {} takes the result of task {}, whose group {} has not "
                    "ended",
                    order.task, taken, found->second));
  }
  for (const auto& [number, group] : open_) {
    const bool is_in_it = order.shared && order.shared->group == number;
    if (is_in_it || !group.nodes.contains(order.worker_node())) continue;
    throw std::logic_error(
        fmt::format("task {} is of node {}, which has had a task in group {}, and that has not "
                    "ended",
                    order.task, order.worker_node(), number));
  }
}

std::shared_ptr<const engine::Weights> Groups::begin(const Assign& order, OpenGroup present) {
  const SharedSession& shared = *order.shared;
  const NodeId node = order.members.at(static_cast<std::size_t>(shared.role));
  const auto fail = [&](const std::string& what) {
    throw std::logic_error(fmt::format("task {}: {} group {}", order.task, what, shared.group));
  };
  if (ended_.contains(shared.group)) fail("a schedule ordered it after the end of");
  const auto [there, is_new] = open_.try_emplace(shared.group);
  Group& group = there->second;
  if (is_new) {
    const std::int64_t version = present.version;
    const auto before = resumed_.find(shared.group);
    static_cast<OpenGroup&>(group) =
        before != resumed_.end() ? std::move(before->second) : std::move(present);
    if (before != resumed_.end()) resumed_.erase(before);
    group.node = node;
    present.version = version;
  }
  if (present.version != group.version) fail("it starts from another version than");
  if (node != group.node) fail("another node has the session than in");
  if (group.under_way.empty() && !group.has_answers) group.flow.reset();
  group.tasks.insert(order.task);
  group.under_way.emplace(order.task, shared);
  if (order.worker_node() != group.node) group.nodes.insert(order.worker_node());
  group_of_.emplace(order.task, shared.group);
  return group.received;
}

void Groups::start(TaskId task, TaskComputation computation) {
  Group& group = group_of(task);
  const int role = group.under_way.at(task).role;
  if (!group.flow) {
    engine::TaskInput input = computation.inputs.at(static_cast<std::size_t>(role));
    input.task = group_of_.at(task);
    input.state.reset();
    input.progress.reset();
    input.shared = true;
    group.flow = std::make_unique<Flow>(engine_, pool_, std::move(input));
  }
  group.flow->begin(task, std::move(computation), role);
}

void Groups::ended(TaskId task, int activity) {
  const auto found = group_of_.find(task);
  if (found != group_of_.end()) open_.at(found->second).flow->ended(task, activity);
}

std::shared_ptr<const engine::NodeState> Groups::state(TaskId task, const StateOf& of) const {
  const auto found = group_of_.find(task);
  if (found == group_of_.end()) return nullptr;
  const States& states = open_.at(found->second).states;
  const auto state = states.find(of);
  return state == states.end() ? nullptr : state->second.state;
}

bool Groups::wait_for(TaskId task, std::chrono::milliseconds time) const {
  return group_of(task).flow->wait_for(task, time);
}

engine::Outcome Groups::outcome(TaskId task) {
  Group& group = group_of(task);
  engine::Outcome outcome = group.flow->take(task);
  group.has_answers = group.has_answers || outcome.finite;
  return outcome;
}

double Groups::share_done(TaskId task) const {
  const auto found = group_of_.find(task);
  return found == group_of_.end() ? 1 : open_.at(found->second).flow->share_done(task);
}

void Groups::leave(TaskId task, States& all) {
  const std::int64_t number = group_of_.at(task);
  Group& group = open_.at(number);
  const auto under_way = group.under_way.extract(task);
  if (under_way.empty() || !under_way.mapped().ends) return;
  if (!group.under_way.empty()) {
    throw std::logic_error(fmt::format("task {} ends group {}, and task {} of it is under way",
                                       task, number, group.under_way.begin()->first));
  }
  for (auto& [of, state] : group.states) all[of] = std::move(state);
  for (const TaskId member : group.tasks) group_of_.erase(member);
  open_.erase(number);
  ended_.insert(number);
}

void Groups::give_up(TaskId task, States& all) {
  if (!group_of_.contains(task)) return;
  group_of(task).flow->give_up(task);
  leave(task, all);
}

void Groups::add_to(Checkpoint& checkpoint) const {
  checkpoint.groups = resumed_;
  for (const auto& [number, group] : open_) {
    checkpoint.groups[number] = group;
    for (const TaskId task : group.tasks) {
      checkpoint.live.erase(task);
      checkpoint.results.tasks.erase(task);
      checkpoint.results.gone.erase(task);
      checkpoint.results.sizes.erase(task);
    }
  }
}

}  // namespace convoy::sim
