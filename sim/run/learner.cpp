#include "sim/run/learner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "engine/api/training_probe.hpp"

namespace convoy::sim {
namespace {

// Interval for checking whether the run was interrupted.
constexpr std::chrono::milliseconds a_moment(50);

// Priority of a task whose result the simulation needs next: before all others.
constexpr double first_of_all = std::numeric_limits<double>::infinity();

constexpr double bytes_in_a_mib = 1 << 20;

}  // namespace

Learner::Learner(const Scenario& scenario, std::shared_ptr<const engine::Engine> engine,
                 std::shared_ptr<const engine::Weights> initial, LearnerOptions options)
    : scenario_(scenario),
      engine_(std::move(engine)),
      options_(std::move(options)),
      held_(engine_, options_.folder.empty() ? "" : options_.folder / "held",
            static_cast<std::uint64_t>(scenario.output.held_mib * bytes_in_a_mib)),
      written_(std::chrono::steady_clock::now()),
      groups_(engine_, pool_),
      flow_(engine_, pool_),
      pool_(options_.workers, [this] { engine_->prepare_thread(); }) {
  if (!options_.folder.empty()) {
    folder_.emplace(options_.folder / "checkpoint", scenario.course, engine_);
    if (options_.resume) {
      resumed_ = folder_->read(held_);
    } else {
      folder_->remove();
    }
    if (options_.real != nullptr) updates_.emplace(options_.folder);
    if (updates_ && !options_.resume) updates_->remove();
  }
  if (resumed_.version >= 0) {
    states_ = std::exchange(resumed_.states, {});
    results_ = std::exchange(resumed_.results, {});
    groups_.resume(std::exchange(resumed_.groups, {}));
  }
  if (!replaying()) weights_ = std::move(initial);
}

Learner::~Learner() = default;

void Learner::check_interrupted() const {
  if (options_.interrupted != nullptr && options_.interrupted->load()) throw Interrupted();
}

void Learner::wait_until(const std::function<bool(std::chrono::milliseconds)>& is_there) const {
  while (!is_there(a_moment)) {
    check_interrupted();
    if (options_.waiting) options_.waiting();
  }
}

// In a resumed run a task is one of four: finished and taken, or failed, as the replay will show;
// finished and waiting; under way; new.
void Learner::assigned(const Assign& order) {
  const auto before = resumed_.live.find(order.task);
  const bool was_live = before != resumed_.live.end();
  const bool known = results_.tasks.contains(order.task) || results_.gone.contains(order.task);
  const bool goes_on = order.shared && groups_.goes_on(order.shared->group);
  if (!was_live && ((replaying() && !goes_on) || known)) return;
  if (!was_live) groups_.check(order);
  Live& live = live_[order.task];
  if (was_live) {
    static_cast<LiveTask&>(live) = std::move(before->second);
    resumed_.live.erase(before);
  } else {
    live.version = version_;
    live.received = order.shared ? groups_.begin(order, {version_, weights_}) : weights_;
    if (order.at_work) live.at_work = at_work(*order.at_work);
  }
  live.order = order;
  live.real = is_real(live.node());
  if (!live.result) start(live);
  if (live.order.aggregates_a_version()) ++making_versions_;
}

Learner::Live& Learner::live_task(TaskId task) {
  const auto found = live_.find(task);
  if (found == live_.end()) {
    throw base::UserError(fmt::format(
        "{}: the checkpoint knows nothing of task {}; is it damaged? Run anew with --overwrite",
        options_.folder.string(), task));
  }
  return found->second;
}

std::vector<AtWork> Learner::at_work(const std::vector<TaskId>& tasks) {
  std::vector<AtWork> all;
  for (const TaskId id : tasks) {
    // What diverged at this instant has ended here, and its schedule is not told yet.
    const auto ended = results_.tasks.find(id);
    if (ended != results_.tasks.end() && !ended->second.finite) continue;
    const Live& live = live_task(id);
    AtWork other;
    other.task = {
        .node = live.node(), .version = live.version, .brief = live.order.brief, .state = nullptr};
    if (const auto state = states_.find(live.state_of(live.node())); state != states_.end()) {
      other.task.state = state->second.state;
      other.made_by = state->second.task;
    }
    all.push_back(std::move(other));
  }
  return all;
}

bool Learner::is_real(NodeId node) const {
  return options_.real != nullptr && options_.real->bring_results() &&
         scenario_.world.nodes[node].real.has_value();
}

engine::TaskInput Learner::input_of(const Live& live, NodeId node) const {
  engine::TaskInput input;
  input.node = node;
  input.task = live.order.task;
  input.version = live.version;
  input.brief = live.order.brief;
  input.received = live.received;
  const auto state = states_.find(live.state_of(node));
  if (const auto made = groups_.state(live.order.task, live.state_of(node))) {
    input.state = made;
  } else if (state != states_.end()) {
    input.state = state->second.state;
  }
  if (live.at_work) {
    input.at_work.emplace();
    for (const AtWork& other : *live.at_work) input.at_work->push_back(other.task);
  }
  return input;
}

std::vector<engine::Input> Learner::given_to(const Live& live) {
  std::vector<engine::Input> given;
  given.reserve(live.order.consumes.size());
  for (const TaskId task : live.order.consumes) {
    const Live& taken = live_task(task);
    if (!taken.result) {
      throw std::logic_error(fmt::format("task {} takes the result of task {}, which has none",
                                         live.order.task, task));
    }
    given.push_back({taken.result, engine_->needs_received() ? taken.received : nullptr});
  }
  return given;
}

void Learner::start(Live& live) {
  for (const NodeId member : live.order.members) {
    const bool partner = member != live.node();
    const bool shares = live.order.shared.has_value();
    const bool alone = !partner && !shares && !live.order.in_time;
    if (!is_real(member) || (alone && live.order.consumes.empty())) continue;
    throw base::UserError(fmt::format(
        "task {}: {}, a real node, {}; set backend = \"sim\" for it", live.order.task,
        scenario_.world.nodes[member].name.of(member),
        shares ? "would share the server's part of the model with others, batch by batch, which "
                 "only simulated nodes can"
        : live.order.in_time ? "would have a stage of a pipeline, which only simulated nodes can"
        : partner            ? "would have a part in another node's task, and is not told of it"
                  : "would take the results of others, which are not sent to real nodes"));
  }
  if (live.real) {
    options_.real->assigned(input_of(live, live.node()), live.order.graph);
    return;
  }
  if (live.order.shared) {
    assigned_flops_ += live.flops = flops_of(*live.order.graph);
    groups_.start(live.order.task, computation_of(live));
    return;
  }
  if (live.order.in_time) {
    assigned_flops_ += live.flops = flops_of(*live.order.graph);
    flow_.begin(live.order.task, computation_of(live), Flow::no_role);
    return;
  }
  // While another task is making a version, this one would start from a version soon replaced.
  if (live.order.aggregates_a_version() && making_versions_ > 0) return;
  compute(live);
}

// The steps of all trainings of a task, of weights and masks.
static std::int64_t steps_of(const TaskGraph& graph, const NodeSetting& node) {
  std::int64_t steps = 0;
  for (const Activity& activity : graph.activities()) {
    steps += engine::training_steps(activity.work, node.samples, node.batch);
  }
  return steps * graph.repeat();
}

TaskComputation Learner::computation_of(const Live& live) {
  TaskComputation task;
  task.graph = live.order.graph;
  task.worker = live.order.worker;
  task.result = live.order.publishes >= 0 ? live.order.publishes : live.order.graph->result();
  for (const NodeId member : live.order.members) task.inputs.push_back(input_of(live, member));
  if (!live.order.in_time) task.given = given_to(live);
  return task;
}

void Learner::compute(Live& live) {
  TaskComputation task = computation_of(live);
  assigned_flops_ += flops_of(*task.graph) - live.flops;
  live.flops = flops_of(*task.graph);
  live.progress = std::make_shared<engine::TrainingProgress>();
  live.progress->planned = steps_of(*task.graph, scenario_.setting->nodes[live.node()]);
  task.inputs[static_cast<std::size_t>(task.worker)].progress = live.progress;
  const auto chosen = std::make_shared<std::promise<engine::Submodel>>();
  live.chosen = chosen->get_future();
  const bool is_waited_for = !live.order.consumes.empty();
  const double cost = is_waited_for ? first_of_all : live.flops;
  live.job = pool_.submit<engine::Outcome>(
      cost, [this, task = std::move(task), chosen](const std::stop_token& stop) {
        engine::Outcome outcome = carry_out(
            *engine_, task, stop, [&](const engine::Submodel& kept) { chosen->set_value(kept); });
        hold(outcome);
        return outcome;
      });
}

void Learner::start_anew(Live& live) {
  if (live.job) live.job->give_up();
  live.version = version_;
  live.received = weights_;
  compute(live);
}

LearningWork Learner::work() const {
  LearningWork work{assigned_flops_, assigned_flops_};
  for (const auto& [task, live] : live_) {
    if ((live.order.shared || live.order.in_time) && live.flops > 0) {
      const double done = live.order.shared ? groups_.share_done(task) : flow_.share_done(task);
      work.done -= live.flops * (1 - done);
      continue;
    }
    if (!live.job || live.flops <= 0 || live.job->is_ready()) continue;
    const auto steps = static_cast<double>(std::max<std::int64_t>(1, live.progress->planned));
    const auto done = static_cast<double>(live.progress->done);
    work.done -= live.flops * (1 - std::min(1.0, done / steps));
  }
  return work;
}

engine::Submodel Learner::submodel(TaskId task) {
  if (!results_.sizes.contains(task)) {
    Live& live = live_task(task);
    if (follows_from_version()) {
      engine::Submodel kept = engine::full_submodel(scenario_.setting->learned());
      kept.elements = engine_->kept_elements(*live.received);
      results_.sizes[task] = Sizes(kept);
      return submodel(task);
    }
    if (!live.job && !live.real) compute(live);
    if (!chooses_before_sizing(*live.order.graph)) {
      results_.sizes[task] = states_.at(live.state_of(live.node())).sizes;
    } else {
      // The submodel is chosen before the job ends, unless the job fails.
      while (live.chosen.wait_for(a_moment) != std::future_status::ready) {
        check_interrupted();
        if (options_.waiting) options_.waiting();
        if (live.job->is_ready()) break;
      }
      if (live.chosen.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        live.job->get();  // throws the job's error
      }
      results_.sizes[task] = Sizes(live.chosen.get());
    }
  }
  const Sizes& sizes = results_.sizes.at(task);
  engine::Submodel submodel = engine::submodel_of_sizes(sizes.depth, sizes.members);
  submodel.elements = sizes.elements;
  return submodel;
}

bool Learner::follows_from_version() const {
  return scenario_.schedule.learning.elements.kind == engine::ElementKind::pruned;
}

// A rule with a wrong shares_sum() would scale the model silently.
static void check_shares(TaskId task, const engine::AggregationReport& report) {
  const double sum = std::accumulate(report.shares.begin(), report.shares.end(), 0.0);
  const double declared = report.shares_sum;
  if (std::abs(sum - declared) <= 1e-9 * std::max(1.0, std::abs(declared))) return;
  throw std::logic_error(fmt::format(
      "task {}: the shares of its rule sum to {}, the rule declares {}", task, sum, declared));
}

TaskLearned Learner::finish(TaskId task, Live& live) {
  engine::Outcome outcome = live.real            ? options_.real->outcome(task)
                            : live.order.shared  ? wait_for_shared(task)
                            : live.order.in_time ? wait_for_flow(task)
                                                 : wait(*live.job);
  if (!live.job) hold(outcome);
  live.job.reset();
  live.flops = 0;
  TaskLearned learned{outcome.loss, outcome.local_accuracy, outcome.finite};
  learned.kept = engine::kept_share(scenario_.setting->learned(), outcome.submodel);
  learned.aggregation = std::move(outcome.aggregation);
  if (outcome.finite && learned.aggregation) check_shares(task, *learned.aggregation);
  results_.tasks[task] = learned;
  if (outcome.finite && outcome.state) {
    auto& states = live.order.shared ? groups_.states(task) : states_;
    states[live.state_of(live.node())] = {task, std::move(outcome.state), Sizes(outcome.submodel)};
  }
  if (live.order.shared) groups_.leave(task, states_);
  if (!outcome.finite) return learned;
  live.result = std::move(outcome.result);
  live.at_work.reset();
  // Only some rules need the received weights from here on. An update combined from others is as
  // old as the oldest of these.
  if (!engine_->needs_received()) live.received.reset();
  const bool stands_for_others = live.received && live.order.publishes < 0;
  for (const TaskId taken : live.order.consumes) {
    const auto found = stands_for_others ? live_.find(taken) : live_.end();
    if (found == live_.end() || found->second.version >= live.version) continue;
    live.version = found->second.version;
    live.received = found->second.received;
  }
  return learned;
}

engine::Outcome Learner::wait_for_shared(TaskId task) {
  wait_until([&](std::chrono::milliseconds time) { return groups_.wait_for(task, time); });
  return groups_.outcome(task);
}

engine::Outcome Learner::wait_for_flow(TaskId task) {
  wait_until([&](std::chrono::milliseconds time) { return flow_.wait_for(task, time); });
  return flow_.take(task);
}

void Learner::let_go(const std::vector<TaskId>& tasks) {
  for (const TaskId task : tasks) live_.erase(task);
}

TaskLearned Learner::done(TaskId task, NodeId worker) {
  if (const auto known = results_.tasks.find(task); known != results_.tasks.end()) {
    if (worker != no_node && is_real(worker)) options_.real->taken_before(worker, task);
    return known->second;
  }
  Live& live = live_task(task);
  TaskLearned learned = finish(task, live);
  // Without a result there is nothing to take.
  if (!learned.finite || !live.result) live_.erase(task);
  return learned;
}

TaskLearned Learner::published(TaskId task) {
  if (replaying()) {
    if (++version_ == resumed_.version) {
      weights_ = std::move(resumed_.weights);
      own_layers_ = std::exchange(resumed_.own_layers, {});
    }
    return results_.tasks.at(task);
  }
  Live& live = live_task(task);
  TaskLearned learned;
  if (live.order.aggregates_a_version()) {
    if (!live.job || live.version != version_) start_anew(live);
    learned = finish(task, live);
    --making_versions_;
    if (!learned.finite) return learned;
  } else {
    learned = results_.tasks.at(task);
  }
  weights_ = engine_->next_version(weights_, live.result);
  ++version_;
  note_own_layers();
  let_go(live.order.consumes);
  live_.erase(task);
  return learned;
}

void Learner::given_up(TaskId task) {
  const auto found = live_.find(task);
  if (found == live_.end()) return;
  if (!results_.tasks.contains(task)) results_.gone.insert(task);
  Live& live = found->second;
  if (live.job) live.job->give_up();
  if (live.order.shared) groups_.give_up(task, states_);
  if (live.order.in_time) flow_.give_up(task);
  if (live.order.aggregates_a_version()) --making_versions_;
  live_.erase(found);
}

}  // namespace convoy::sim
