#include "sim/schedule/fedcompass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedcompass() {
  return schedule_kind<FedCompass>(
      "fedcompass", "semi-asynchronous: local steps by speed, so that groups arrive together",
      read_fedcompass);
}

FedCompassOptions read_fedcompass(base::TableReader& common, base::TableReader& own) {
  FedCompassOptions options{read_client_pool(common, {}, {.weight = 0}, {}, "fedcompass"), {}};
  CompassOptions& c = options.compass;
  c.max_steps = static_cast<int>(own.integer({"max_steps", "Q_max: most local steps of a task"},
                                             base::at_least(1).up_to(1e6), c.max_steps));
  c.min_share = own.number({"min_share", "q: a task has at least this share of max_steps"},
                           base::above(0).up_to(1), c.min_share);
  c.join_factor =
      own.number({"join_factor", "who joins a group may be given up to this many times max_steps"},
                 base::at_least(1).up_to(100), c.join_factor);
  c.lateness =
      own.number({"lambda", "a group is waited for up to this many times as long as expected"},
                 base::at_least(1).up_to(1e6), c.lateness);
  c.momentum =
      own.number({"momentum", "weight of a node's latest speed against those measured before"},
                 base::above(0).up_to(1), c.momentum);
  return options;
}

namespace {

// Steps of which rounding alone would take one away.
constexpr double slack = 1e-6;
// s for a step: of one that took no time.
constexpr double fastest_speed = 1e-9;

int steps_in(double seconds, double speed) {
  constexpr double most = 1e9;
  return static_cast<int>(std::clamp(std::floor(seconds / speed + slack), -1.0, most));
}

}  // namespace

int CompassOptions::min_steps() const {
  return std::max(static_cast<int>(std::floor(min_share * max_steps + slack)), 1);
}

int CompassOptions::max_joining() const {
  return static_cast<int>(std::floor(join_factor * max_steps + slack));
}

// --- the groups ---------------------------------------------------------------------------------

void Arrivals::measured(NodeId node, double seconds, int steps) {
  const double latest = std::max(seconds / steps, fastest_speed);
  const auto [known, is_first] = speeds_.try_emplace(node, latest);
  if (is_first) return;
  known->second = (1 - options_.momentum) * known->second + options_.momentum * latest;
}

std::optional<double> Arrivals::speed(NodeId node) const {
  const auto found = speeds_.find(node);
  return found == speeds_.end() ? std::nullopt : std::optional(found->second);
}

Arrivals::Place Arrivals::place(NodeId node, double now) {
  const double own = speeds_.at(node);
  Place place;
  if (const auto found = to_join(own, now)) {
    place = *found;
  } else {
    place = {next_++, steps_of_new_group(own, now), true, 0};
    const double takes = place.steps * own;
    Group& made = groups_[place.group];
    made.expected = now + takes;
    made.latest = now + options_.lateness * takes;
  }
  Group& group = groups_.at(place.group);
  group.coming.insert(node);
  place.latest = group.latest;
  return place;
}

// The most steps; of equal groups the latest.
std::optional<Arrivals::Place> Arrivals::to_join(double speed, double now) const {
  std::optional<Place> best;
  for (const auto& [id, group] : groups_) {
    if (!group.is_open) continue;
    const int steps = steps_in(group.expected - now, speed);
    if (steps < options_.min_steps() || steps > options_.max_joining()) continue;
    if (!best || steps >= best->steps) best = {id, steps};
  }
  return best;
}

// As many as it can do until the members of some other group, whose fastest would then have done
// all their steps once more, are expected again.
int Arrivals::steps_of_new_group(double speed, double now) const {
  int most = -1;
  for (const auto& [id, group] : groups_) {
    if (!group.is_open || now >= group.latest) continue;
    const double again = group.latest + fastest_of(group) * options_.max_steps;
    const int steps = steps_in(again - now, speed);
    if (steps <= options_.max_steps) most = std::max(most, steps);
  }
  return most < 0 ? options_.max_steps : std::max(most, options_.min_steps());
}

double Arrivals::fastest_of(const Group& group) const {
  double fastest = std::numeric_limits<double>::infinity();
  for (const auto* members : {&group.coming, &group.came}) {
    for (const NodeId node : *members) fastest = std::min(fastest, speeds_.at(node));
  }
  return fastest;
}

bool Arrivals::arrived(NodeId node, GroupId id, double now) {
  const auto group = groups_.find(id);
  group->second.coming.erase(node);
  const bool in_time = group->second.is_open && now <= group->second.latest;
  if (in_time) group->second.came.insert(node);
  forget_if_empty(group);
  return in_time;
}

void Arrivals::left(NodeId node, GroupId id) {
  const auto group = groups_.find(id);
  group->second.coming.erase(node);
  forget_if_empty(group);
}

std::vector<Arrivals::GroupId> Arrivals::complete() const {
  std::vector<GroupId> all;
  for (const auto& [id, group] : groups_) {
    if (group.coming.empty() && !group.came.empty()) all.push_back(id);
  }
  return all;
}

bool Arrivals::has_arrived(GroupId id) const {
  const auto group = groups_.find(id);
  return group != groups_.end() && !group->second.came.empty();
}

void Arrivals::taken(GroupId id) {
  const auto group = groups_.find(id);
  group->second.came.clear();
  group->second.is_open = false;
  forget_if_empty(group);
}

void Arrivals::forget_if_empty(Groups::iterator group) {
  if (group->second.coming.empty() && group->second.came.empty()) groups_.erase(group);
}

// --- the schedule -------------------------------------------------------------------------------

namespace {

std::shared_ptr<const Setting> with_steps(const Setting& setting, int steps) {
  if (setting.local_steps && *setting.local_steps != steps) {
    throw base::UserError(
        fmt::format("training.local_steps is {} and schedule.fedcompass.max_steps is {}; give "
                    "max_steps alone",
                    *setting.local_steps, steps));
  }
  auto made = std::make_shared<Setting>(setting);
  made->local_steps = steps;
  return made;
}

}  // namespace

FedCompass::FedCompass(const std::shared_ptr<const Setting>& setting,
                       const FedCompassOptions& options)
    : FederatedSchedule(with_steps(*setting, options.compass.max_steps), options.clients),
      options_(options.compass),
      arrivals_(options.compass),
      nodes_(setting->nodes.size()) {
  idle_.insert(clients_.members().begin(), clients_.members().end());
}

Orders FedCompass::on(const Event& event) {
  clients_.note(event);
  Orders orders;
  note(event);
  if (!event.last) return orders;
  aggregate_all_due(orders);
  assign_idle(event.time, orders);
  // Nobody is left whose group would take them along.
  if (training_.empty() && wait_for_.empty() && !general_.empty()) {
    aggregate(std::exchange(general_, {}), {}, orders);
  }
  return orders;
}

void FedCompass::note(const Event& event) {
  switch (event.kind) {
    case EventKind::node_joined:
      if (!clients_.takes_part(event.node)) break;
      nodes_[event.node].is_there = true;
      if (nodes_[event.node].state == State::idle) idle_.insert(event.node);
      break;
    case EventKind::node_lost:
      nodes_[event.node].is_there = false;  // what it had under way fails next
      idle_.erase(event.node);
      break;
    case EventKind::task_done:
    case EventKind::task_failed: {
      const auto task = training_.extract(event.task);
      if (task.empty()) break;  // an aggregation
      if (event.kind == EventKind::task_done) {
        task_done(event, task.mapped());
        break;
      }
      clients_.failed(event.task);
      const Client& client = nodes_[task.mapped()];
      if (client.group != Arrivals::no_group) arrivals_.left(task.mapped(), client.group);
      become_idle(task.mapped());
      break;
    }
    case EventKind::published: {
      const auto waiting = wait_for_.extract(event.task);
      if (waiting.empty()) break;
      for (const NodeId node : waiting.mapped()) become_idle(node);
      break;
    }
    case EventKind::timer_fired:
      overdue_.insert(event.timer);
      break;
    case EventKind::run_started:
    case EventKind::node_changed:
    case EventKind::activity_done:
    case EventKind::evaluated:
      break;
  }
}

void FedCompass::task_done(const Event& event, NodeId node) {
  Client& client = nodes_[node];
  clients_.done(event.task);
  arrivals_.measured(node, event.time - client.since, client.steps);
  client.state = State::waiting;
  if (client.group == Arrivals::no_group) {
    alone_.push_back({event.task, node});
  } else if (arrivals_.arrived(node, client.group, event.time)) {
    in_[client.group].push_back({event.task, node});
  } else {
    general_.push_back(event.task);
    become_idle(node);
  }
}

void FedCompass::become_idle(NodeId node) {
  nodes_[node].state = State::idle;
  if (nodes_[node].is_there) idle_.insert(node);
}

void FedCompass::aggregate(std::vector<TaskId> tasks, std::vector<NodeId> waiting, Orders& orders) {
  const Assign aggregation = clients_.aggregate(std::move(tasks));
  wait_for_[aggregation.task] = std::move(waiting);
  orders.emplace_back(aggregation);
}

// Takes the general buffer along.
void FedCompass::aggregate_group(Arrivals::GroupId group, Orders& orders) {
  std::vector<TaskId> tasks = std::exchange(general_, {});
  std::vector<NodeId> waiting;
  const auto members = in_.extract(group);
  for (const Arrived& arrived : members.mapped()) {
    tasks.push_back(arrived.task);
    waiting.push_back(arrived.node);
  }
  arrivals_.taken(group);
  orders.emplace_back(CancelTimer{group});
  aggregate(std::move(tasks), std::move(waiting), orders);
}

void FedCompass::aggregate_all_due(Orders& orders) {
  for (const Arrived& first : std::exchange(alone_, {})) {
    aggregate({first.task}, {first.node}, orders);
  }
  for (const Arrivals::GroupId group : arrivals_.complete()) aggregate_group(group, orders);
  for (const Arrivals::GroupId group : std::exchange(overdue_, {})) {
    if (arrivals_.has_arrived(group)) aggregate_group(group, orders);
  }
}

// The fastest first; who was never measured in no group.
void FedCompass::assign_idle(double now, Orders& orders) {
  std::vector<std::pair<double, NodeId>> order;
  for (const NodeId node : std::exchange(idle_, {})) {
    order.emplace_back(arrivals_.speed(node).value_or(0), node);
  }
  std::ranges::sort(order);
  for (const auto& [speed, node] : order) assign(node, now, orders);
}

void FedCompass::assign(NodeId node, double now, Orders& orders) {
  const bool is_known = arrivals_.speed(node).has_value();
  const Arrivals::Place place =
      is_known ? arrivals_.place(node, now) : Arrivals::Place{.steps = options_.max_steps};
  Assign assign = clients_.assign(node, {.steps = place.steps});
  nodes_[node] = {true, State::training, place.group, place.steps, now};
  training_[assign.task] = node;
  orders.emplace_back(std::move(assign));
  if (place.is_new) orders.emplace_back(SetTimer{place.group, place.latest});
}

}  // namespace convoy::sim
