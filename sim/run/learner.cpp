#include "sim/run/learner.hpp"

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
      old_ = folder_->read();
    } else {
      folder_->remove();
    }
  }
  if (old_.version > 0) {
    new_.states = old_.states;
  } else {
    old_ = {};
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

void Learner::assigned(const Assign& order) {
  const auto before = old_.live.find(order.task);
  if (before == old_.live.end() && replaying()) return;  // its result is known, or it had none
  Live& live = live_[order.task];
  live.node = order.members.back();
  live.version = version_;
  live.has_mask_phase = has(*order.graph, Work::Kind::learn_masks);
  if (before == old_.live.end()) {
    live.received = weights_;
  } else if (const auto base = old_.weights.find(live.version); base != old_.weights.end()) {
    live.received = base->second;
  }
  const bool was_done = before != old_.live.end() && before->second.update != nullptr;
  if (!was_done) start(order, live);
}

void Learner::start(const Assign& order, Live& live) {
  engine::TaskInput input;
  input.node = live.node;
  input.task = order.task;
  input.version = live.version;
  input.rate = order.rate;
  input.batch = scenario_.setting->nodes[static_cast<std::size_t>(live.node)].batch;
  input.choose_masks = order.choose_masks;
  input.test_locally = scenario_.evaluation.local;
  input.received = live.received;
  if (const auto state = new_.states.find(live.node); state != new_.states.end()) {
    input.state = state->second.state;
  }
  auto masks = std::make_shared<std::promise<engine::Submodel>>();
  live.masks = masks->get_future();
  live.job = pool_.submit<engine::Outcome>(
      flops_of(*order.graph),
      [engine = engine_, input = std::move(input), graph = order.graph, masks](
          const std::stop_token& stop) { return compute(*engine, input, *graph, stop, *masks); });
}

engine::Submodel Learner::submodel(TaskId task) {
  const auto before = old_.sizes.find(task);
  Sizes& sizes = new_.sizes[task];
  if (before != old_.sizes.end()) {
    sizes = before->second;
  } else if (sizes.depth == 0) {
    Live& live = live_.at(task);
    if (live.has_mask_phase) {
      while (live.masks.wait_for(a_moment) != std::future_status::ready) {
        check_interrupted();
        if (live.job.is_ready()) live.job.get();  // throws what kept the masks from coming
      }
      const engine::Submodel masks = live.masks.get();
      sizes = {masks.depth, engine::sizes_of(masks)};
    } else {
      sizes = new_.states.at(live.node).sizes;
    }
  }
  return engine::submodel_of_sizes(sizes.depth, sizes.members);
}

TaskLearned Learner::done(TaskId task, NodeId node) {
  TaskLearned learned;
  const auto live = live_.find(task);
  if (const auto known = old_.tasks.find(task); known != old_.tasks.end()) {
    learned = known->second;
    const auto kept = old_.live.find(task);
    if (kept != old_.live.end()) live->second.update = kept->second.update;
  } else {
    engine::Outcome outcome = wait(live->second.job);
    learned.loss = outcome.loss;
    learned.local_accuracy = outcome.local_accuracy;
    learned.finite = outcome.finite;
    learned.kept = engine::kept_share(*scenario_.setting->architecture, outcome.submodel);
    if (outcome.finite) {
      new_.states[node] = {task,
                           std::move(outcome.state),
                           {outcome.submodel.depth, engine::sizes_of(outcome.submodel)}};
      live->second.update = std::move(outcome.update);
    }
  }
  new_.tasks[task] = learned;
  if (live != live_.end()) {
    // The drift rules compare with what was received; nobody else needs it any more.
    const engine::AggregationRule rule = scenario_.schedule.learning.aggregation;
    if (rule == engine::AggregationRule::coverage) live->second.received.reset();
    if (!learned.finite) live_.erase(live);
  }
  return learned;
}

void Learner::given_up(TaskId task) {
  const auto found = live_.find(task);
  if (found == live_.end()) return;
  found->second.job.give_up();
  live_.erase(found);
}

void Learner::aggregate(const std::vector<TaskId>& tasks) {
  if (version_ + 1 <= old_.version) return;  // known
  aggregating_ = tasks;
  std::vector<engine::Contribution> contributions;
  for (const TaskId task : tasks) {
    const Live& live = live_.at(task);
    contributions.push_back({live.update, live.received});
  }
  aggregation_ = pool_.submit<engine::Aggregated>(
      first_of_all,
      [engine = engine_, current = weights_, contributions = std::move(contributions)](
          const std::stop_token&) { return engine->aggregate(*current, contributions); });
}

AggregationLearned Learner::aggregated() {
  AggregationLearned learned;
  if (version_ + 1 <= old_.version) {
    ++version_;
    learned = old_.aggregations.at(version_);
    if (version_ == old_.version) weights_ = old_.weights.at(version_);
  } else {
    engine::Aggregated result = wait(*aggregation_);
    aggregation_.reset();
    for (const TaskId task : aggregating_) live_.erase(task);
    ++version_;
    weights_ = std::move(result.weights);
    learned = {result.coverage_min, result.untrained};
  }
  new_.aggregations[version_] = learned;
  return learned;
}

void Learner::judge() {
  judging_ = version_;
  const auto known = old_.evaluations.find(version_);
  if (known != old_.evaluations.end()) new_.evaluations[version_] = known->second;
  if (new_.evaluations.contains(version_)) return;
  evaluation_ = pool_.submit<engine::Evaluation>(
      first_of_all,
      [engine = engine_, weights = weights_, rate = scenario_.evaluation.rate](
          const std::stop_token& stop) { return engine->evaluate(*weights, rate, stop); });
}

engine::Evaluation Learner::judged() {
  if (evaluation_) {
    new_.evaluations[judging_] = wait(*evaluation_);
    evaluation_.reset();
  }
  return new_.evaluations.at(judging_);
}

void Learner::maybe_checkpoint() {
  if (!folder_ || replaying() || version_ == new_.version) return;
  const std::chrono::duration<double> age = std::chrono::steady_clock::now() - written_;
  if (age.count() >= scenario_.output.checkpoint_s) checkpoint();
}

void Learner::checkpoint() {
  // Before the first version there is nothing worth more than the seed.
  if (!folder_ || replaying() || version_ == 0) return;
  new_.version = version_;
  new_.weights = {{version_, weights_}};
  new_.live.clear();
  for (const auto& [task, live] : live_) {
    new_.live[task] = {live.version, live.update};
    if (live.received) new_.weights[live.version] = live.received;
  }
  folder_->write(new_);
  new_.weights.clear();
  new_.live.clear();
  written_ = std::chrono::steady_clock::now();
}

void Learner::write_model() const {
  if (options_.folder.empty() || !weights_) return;
  engine_->save(*weights_, options_.folder / "model.safetensors",
                {{"scenario", scenario_.name}, {"version", std::to_string(version_)}});
}

}  // namespace convoy::sim
