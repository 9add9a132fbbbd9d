#include "sim/run/learner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace convoy::sim {
namespace {

// Between two looks at whether the run is interrupted.
constexpr std::chrono::milliseconds a_moment(50);

// What the simulation is about to wait for goes before all tasks.
constexpr double first_of_all = std::numeric_limits<double>::infinity();

double flops_of(const TaskGraph& graph) {
  double flops = 0;
  for (const Activity& a : graph.activities()) flops += a.flops;
  return flops;
}

bool has(const TaskGraph& graph, Work::Kind kind) {
  return std::any_of(graph.activities().begin(), graph.activities().end(),
                     [&](const Activity& a) { return a.work.kind == kind; });
}

// Carries out what the task's activities do, in their order (each comes after its inputs).
engine::Outcome compute(const engine::Engine& engine, const engine::TaskInput& input,
                        const TaskGraph& graph, const std::stop_token& stop,
                        std::promise<engine::Submodel>& masks) {
  const std::unique_ptr<engine::LocalTask> task = engine.begin(input, stop);
  bool told = false;
  for (const Activity& a : graph.activities()) {
    switch (a.work.kind) {
      case Work::Kind::learn_masks:
        task->learn_masks(a.work.epochs);
        masks.set_value(task->submodel());
        told = true;
        break;
      case Work::Kind::train:
        if (!told) masks.set_value(task->submodel());
        told = true;
        task->train(a.work.epochs, a.work.steps);
        break;
      case Work::Kind::none:
        break;
    }
  }
  return task->finish();
}

}  // namespace

Learner::Learner(const Scenario& scenario, std::shared_ptr<const engine::Engine> engine,
                 std::shared_ptr<const engine::Weights> initial, LearnerOptions options)
    : scenario_(scenario),
      engine_(std::move(engine)),
      options_(std::move(options)),
      written_(std::chrono::steady_clock::now()),
      pool_(options_.workers, [this] { engine_->prepare_thread(); }) {
  if (!options_.folder.empty()) {
    folder_.emplace(options_.folder / "checkpoint", scenario.hash, engine_);
    if (options_.resume) {
      resumed_ = folder_->read();
    } else {
      folder_->remove();
    }
    if (options_.real != nullptr) updates_.emplace(options_.folder);
    if (updates_ && !options_.resume) updates_->remove();
  }
  if (resumed_.version > 0) {
    states_ = std::exchange(resumed_.states, {});
    results_ = std::exchange(resumed_.results, {});
  } else {
    weights_ = std::move(initial);
  }
}

Learner::~Learner() = default;

void Learner::check_interrupted() const {
  if (options_.interrupted != nullptr && options_.interrupted->load()) throw Interrupted();
}

template <class Result>
Result Learner::wait(Job<Result>& job) const {
  while (!job.wait_for(a_moment)) check_interrupted();
  return job.get();
}

// Where a run is resumed a task is one of four: it was done and aggregated, or came to nothing, as
// the replay goes on to show; it was done and waited; it was under way; it is new.
void Learner::assigned(const Assign& order) {
  const auto before = resumed_.live.find(order.task);
  const bool was_live = before != resumed_.live.end();
  if (!was_live && (replaying() || results_.tasks.contains(order.task))) return;
  Live& live = live_[order.task];
  if (was_live) {
    static_cast<LiveTask&>(live) = std::move(before->second);
    resumed_.live.erase(before);
  } else {
    live.version = version_;
    live.received = weights_;
  }
  live.node = order.members.back();
  live.real = is_real(live.node);
  live.has_mask_phase = has(*order.graph, Work::Kind::learn_masks);
  if (!live.update) start(order, live);
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

bool Learner::is_real(NodeId node) const {
  return options_.real != nullptr && options_.real->bring_results() &&
         scenario_.world.nodes[static_cast<std::size_t>(node)].real.has_value();
}

engine::TaskInput Learner::input_of(const Assign& order, const Live& live) const {
  engine::TaskInput input;
  input.node = live.node;
  input.task = order.task;
  input.version = live.version;
  input.rate = order.rate;
  input.batch = scenario_.setting->nodes[static_cast<std::size_t>(live.node)].batch;
  input.choose_masks = order.choose_masks;
  input.test_locally = scenario_.evaluation.local;
  input.received = live.received;
  if (const auto state = states_.find(live.node); state != states_.end()) {
    input.state = state->second.state;
  }
  return input;
}

void Learner::start(const Assign& order, Live& live) {
  if (live.real) {
    options_.real->assigned(input_of(order, live), order.graph);
    return;
  }
  auto masks = std::make_shared<std::promise<engine::Submodel>>();
  live.masks = masks->get_future();
  live.job = pool_.submit<engine::Outcome>(
      flops_of(*order.graph),
      [engine = engine_, input = input_of(order, live), graph = order.graph, masks](
          const std::stop_token& stop) { return compute(*engine, input, *graph, stop, *masks); });
}

engine::Submodel Learner::submodel(TaskId task) {
  if (!results_.sizes.contains(task)) {
    Live& live = live_task(task);
    if (!live.has_mask_phase) {
      results_.sizes[task] = states_.at(live.node).sizes;
    } else {
      // The masks are there before the whole job is, unless it fails.
      bool job_over = false;
      while (live.masks.wait_for(a_moment) != std::future_status::ready && !job_over) {
        check_interrupted();
        job_over = live.job.is_ready();
      }
      if (live.masks.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        live.job.get();  // throws what kept them from coming
      }
      const engine::Submodel masks = live.masks.get();
      results_.sizes[task] = {masks.depth, engine::sizes_of(masks)};
    }
  }
  const Sizes& sizes = results_.sizes.at(task);
  return engine::submodel_of_sizes(sizes.depth, sizes.members);
}

TaskLearned Learner::done(TaskId task, NodeId node) {
  if (const auto known = results_.tasks.find(task); known != results_.tasks.end()) {
    return known->second;
  }
  Live& live = live_task(task);
  engine::Outcome outcome = live.real ? options_.real->outcome(task) : wait(live.job);
  TaskLearned learned{outcome.loss, outcome.local_accuracy, outcome.finite};
  learned.kept = engine::kept_share(*scenario_.setting->architecture, outcome.submodel);
  results_.tasks[task] = learned;
  if (!outcome.finite) {
    live_.erase(task);
    return learned;
  }
  states_[node] = {
      task, std::move(outcome.state), {outcome.submodel.depth, engine::sizes_of(outcome.submodel)}};
  live.update = std::move(outcome.update);
  // The drift rules compare with what was received; nobody else needs it any more.
  const engine::AggregationRule rule = scenario_.schedule.learning.aggregation;
  if (rule == engine::AggregationRule::coverage) live.received.reset();
  return learned;
}

void Learner::given_up(TaskId task) {
  const auto found = live_.find(task);
  if (found == live_.end()) return;
  if (!found->second.real) found->second.job.give_up();
  live_.erase(found);
}

void Learner::aggregate(const std::vector<TaskId>& tasks) {
  aggregating_ = tasks;
  if (replaying()) return;  // known
  std::vector<engine::Contribution> contributions;
  for (const TaskId task : tasks) {
    const Live& live = live_task(task);
    contributions.push_back({live.update, live.received});
  }
  aggregation_ = pool_.submit<engine::Aggregated>(
      first_of_all,
      [engine = engine_, current = weights_, contributions = std::move(contributions)](
          const std::stop_token&) { return engine->aggregate(*current, contributions); });
}

AggregationLearned Learner::aggregated() {
  if (replaying()) {
    if (++version_ == resumed_.version) weights_ = std::move(resumed_.weights);
    return results_.aggregations.at(version_);
  }
  engine::Aggregated result = wait(*aggregation_);
  aggregation_.reset();
  for (const TaskId task : aggregating_) live_.erase(task);
  ++version_;
  weights_ = std::move(result.weights);
  return results_.aggregations[version_] = {result.coverage_min, result.untrained,
                                            std::move(result.shares)};
}

void Learner::judge() {
  judging_ = version_;
  if (evaluation_ || results_.evaluations.contains(version_)) return;
  if (!weights_) {
    throw base::UserError(fmt::format(
        "{}: the checkpoint does not say how good version {} is; is it damaged? Run anew with "
        "--overwrite",
        options_.folder.string(), version_));
  }
  evaluation_ = pool_.submit<engine::Evaluation>(
      first_of_all,
      [engine = engine_, weights = weights_, rate = scenario_.evaluation.rate](
          const std::stop_token& stop) { return engine->evaluate(*weights, rate, stop); });
}

engine::Evaluation Learner::judged() {
  if (evaluation_) {
    results_.evaluations[judging_] = wait(*evaluation_);
    evaluation_.reset();
  }
  return results_.evaluations.at(judging_);
}

// What the checkpoint has whole, nobody asks for again; all else a resumed run may.
void Learner::collect_updates() const {
  if (!updates_ || scenario_.hil.keep_updates) return;
  for (const TaskId task : updates_->tasks()) {
    if (results_.tasks.contains(task)) updates_->remove(task);
  }
}

void Learner::maybe_checkpoint() {
  if (version_ == written_version_) return;
  const std::chrono::duration<double> age = std::chrono::steady_clock::now() - written_;
  if (age.count() >= scenario_.output.checkpoint_s) checkpoint();
}

void Learner::checkpoint(bool over) {
  // Before the first version there is nothing worth more than the seed.
  if (!folder_ || replaying() || version_ == 0) return;
  if (options_.before_checkpoint) options_.before_checkpoint();
  Checkpoint c;
  c.version = version_;
  c.weights = weights_;
  c.results = results_;
  if (!over) {
    c.states = states_;
    c.live = resumed_.live;  // that the replay has not come to yet
    for (const auto& [task, live] : live_) c.live[task] = live;
  }
  folder_->write(c);
  collect_updates();
  written_version_ = version_;
  written_ = std::chrono::steady_clock::now();
}

void Learner::write_model() const {
  if (options_.folder.empty() || !weights_) return;
  engine_->save(*weights_, options_.folder / "model.safetensors",
                {{"scenario", scenario_.name}, {"version", std::to_string(version_)}});
}

}  // namespace convoy::sim
