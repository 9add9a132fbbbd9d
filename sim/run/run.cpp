#include "sim/run/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/text.hpp"
#include "sim/run/evaluations.hpp"
#include "sim/run/learner.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/run/open_tasks.hpp"
#include "sim/run/patience.hpp"
#include "sim/run/real_node_log.hpp"
#include "sim/run/recorder.hpp"
#include "sim/run/run_rows.hpp"
#include "sim/schedule/schedule.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {
namespace {

// Timers of the run's own; schedules count theirs from 0.
constexpr std::int64_t end_timer = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t evaluated_timer =
    end_timer + 1;  // an evaluation is to be told of at this instant
constexpr std::int64_t evaluate_next_timer = end_timer + 2;  // time to evaluate the model
constexpr std::int64_t replay_end_timer = end_timer + 3;     // the recording ends here
constexpr std::int64_t instant_over_timer = end_timer + 4;   // nothing else is left of this instant

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

class Run : public WorldListener, public RunView {
 public:
  Run(const Scenario& scenario, const RunOptions& options)
      : scenario_(scenario),
        options_(options),
        schedule_(scenario.schedule.make(scenario.setting)),
        // Before the store is begun: what the engine refuses leaves nothing behind.
        engine_(scenario.training.learn ? open_engine(scenario, *schedule_, options.device)
                                        : nullptr),
        initial_(engine_ ? engine_->initial(scenario.initial_weights) : nullptr),
        world_(scenario.world, *this, options.real),
        store_(open_store()),
        recorder_(store_.get(), scenario.output.record, options.real != nullptr),
        patience_(scenario, world_) {
    if (engine_) start_learning();
    if (options_.real == nullptr) return;
    if (engine_) options_.real->use(engine_);
    for (std::size_t i = 0; i < scenario_.world.nodes.size(); ++i) {
      const std::optional<RealNode>& real = scenario_.world.nodes[i].real;
      if (real) recorder_.presence({static_cast<NodeId>(i), real->present, false}, -1);
    }
  }

  RunResult execute() {
    const auto wall_start = std::chrono::steady_clock::now();
    const auto cpu_start = std::clock();
    if (scenario_.stop.virtual_time_s) world_.set_timer(end_timer, *scenario_.stop.virtual_time_s);
    if (options_.replay_until_s) world_.set_timer(replay_end_timer, *options_.replay_until_s);
    try {
      world_.run();
      if (!finished_) fail(patience_.at_rest(version_));
      if (status_ == RunStatus::done && recorder_.is_behind()) {
        throw base::UserError(
            "the run that is there had come further than [stop] lets it go now, and stays as it "
            "was; resume it with a later stop, or choose another folder with -o");
      }
      if (status_ == RunStatus::done) evaluate_at_the_end();
      if (learner_) keep_what_was_learned();
    } catch (const Interrupted&) {
      break_off(RunStatus::stopped, "");
    } catch (const std::exception& e) {
      break_off(RunStatus::failed, e.what());
    }
    settle_evaluations();
    recorder_.run_ended(world_.now());
    RunResult result{status_, cause_, summary()};
    result.summary.wall_time_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_start).count();
    if (store_) {
      const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
      finish_store(result.summary, cpu);
    }
    return result;
  }

  void on_instant(std::span<const Event> happened) override {
    if (finished_) return;
    std::vector<Event> events(happened.begin(), happened.end());
    std::erase_if(events, [this](const Event& e) { return is_over(e); });
    cancelled_ = false;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (learner_) learn_of(events[i]);
      if (events[i].kind != EventKind::task_done || !open_.at(events[i].task).publishes) continue;
      Event published = events[i];
      published.kind = EventKind::published;
      published.node = server_node;
      events.push_back(published);
    }
    std::sort(events.begin(), events.end(), comes_before);
    ordered_ = false;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (is_over(events[i])) continue;
      events[i].last = std::all_of(events.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                   events.end(), [this](const Event& e) { return is_over(e); });
      const bool was_last = events[i].last;
      if (events[i].kind == EventKind::published) events[i].version = version_ + 1;
      handle(events[i]);
      if (finished_) return;
      if (was_last) break;
      // What it ordered may have been the end of all that was to follow.
      const bool none_follows =
          std::all_of(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, events.end(),
                      [this](const Event& e) { return is_over(e); });
      if (none_follows) {
        handle({.time = world_.now(),
                .kind = EventKind::timer_fired,
                .timer = instant_over_timer,
                .last = true});
        if (finished_) return;
        break;
      }
    }
    poll();
    if (finished_) return;
    settle_evaluations();
    const bool at_work = world_.tasks() > 0 || !timers_.empty() || ordered_;
    if (!patience_.has_hope(at_work)) fail(patience_.at_rest(version_));
    if (learner_) learner_->maybe_checkpoint();
    if (options_.progress) {
      options_.progress(
          {world_.now(), version_, tasks_done_, evaluations_.accuracy(), share(), this});
    }
  }

  Activity size_of(TaskId task, const Activity& expected) override {
    // What a real node keeps of the model shows when its update comes.
    if (!learner_ || is_real(open_.at(task).worker)) return expected;
    return schedule_->sized(task, expected, learner_->submodel(task));
  }

  void on_activity(const ActivityRecord& record) override { recorder_.activity(record); }

  void on_presence(const ElasticClock::Presence& presence, double now) override {
    recorder_.presence(presence, now);
    tell_presence(scenario_, presence, now);
  }

  void on_real(const RealReport& report) override {
    if (std::string why = tell_report(scenario_, report); !why.empty()) fail(std::move(why));
  }

  void on_settled() override {
    for (ReadingRow& reading : options_.real->readings()) {
      reading.time_s = world_.now();
      if (store_) store_->add(reading);
    }
    if (!options_.real->has_orders()) return;
    if (store_ && !finished_) store_->commit();
    options_.real->flush_orders();
  }

  // --- the view ---------------------------------------------------------------------------------

  [[nodiscard]] std::vector<UnderWay> under_way() const override { return world_.under_way(); }
  [[nodiscard]] bool present(NodeId node) const override { return world_.present(node); }
  [[nodiscard]] std::int64_t tasks_failed() const override { return recorder_.tasks_failed(); }
  [[nodiscard]] std::optional<double> max_lag_s() const override {
    return options_.real == nullptr ? std::nullopt : std::optional(world_.max_lag_s());
  }

  void poll() override {
    if (options_.interrupted != nullptr && options_.interrupted->load()) {
      end(RunStatus::stopped, "");
    }
    if (options_.real == nullptr) return;
    if (std::string trouble = options_.real->trouble(); !trouble.empty()) fail(std::move(trouble));
  }

 private:
  // --- learning ---------------------------------------------------------------------------------

  void start_learning() {
    LearnerOptions learner;
    learner.workers = workers();
    learner.folder = options_.folder;
    learner.resume = options_.mode == StoreMode::resume;
    learner.interrupted = options_.interrupted;
    learner.real = options_.real;
    if (options_.real != nullptr && store_)
      learner.before_checkpoint = [this] { store_->commit(); };
    learner_.emplace(scenario_, engine_, std::move(initial_), std::move(learner));
    evaluations_.use(&*learner_);
  }

  [[nodiscard]] int workers() const {
    if (options_.workers > 0) return options_.workers;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  // Two corrections to what the world says: a task whose result holds NaN or infinity has failed,
  // and the run's own timer of an evaluation is its event.
  void learn_of(Event& event) {
    if (event.kind == EventKind::task_done) {
      if (open_.at(event.task).is_learned_of_late()) return;
      const TaskLearned learned = learner_->done(event.task);
      learned_[event.task] = learned;
      if (learned.finite) return;
      event.kind = EventKind::task_failed;
      event.cause = Cause::diverged;
    } else if (event.kind == EventKind::timer_fired && event.timer == evaluated_timer) {
      evaluations_.finish(event);
    }
  }

  // `again`: also where the present version has been evaluated.
  void evaluate(bool again = false) {
    if (evaluations_.ask(version_, again)) world_.set_timer(evaluated_timer, world_.now());
  }

  void evaluated(const Event& event) {
    evaluations_.told(event);
    recorder_.evaluated(evaluations_.last(), event.version, event.time);
    if (scenario_.stop.accuracy && event.accuracy >= *scenario_.stop.accuracy) {
      end(RunStatus::done, "");
    }
  }

  // At the end of an instant, or of the run: what was given up with it has been counted.
  void settle_evaluations() {
    if (!recorder_.has_evaluations()) return;
    double workers = 0;
    for (std::size_t i = 1; i < scenario_.world.nodes.size(); ++i) {
      workers += world_.energy_j(static_cast<NodeId>(i));
    }
    recorder_.settle_evaluations(workers, world_.energy_j(server_node));
  }

  // Whatever ended the run, its last version is evaluated.
  void evaluate_at_the_end() {
    const std::optional<Event> event = evaluations_.of_the_end(version_, world_.now());
    if (!event) return;
    recorder_.event(*event, true);
    evaluated(*event);
  }

  // --- events -----------------------------------------------------------------------------------

  // Of a task that the schedule has cancelled at this very instant: no event follows that.
  [[nodiscard]] bool is_over(const Event& event) const {
    const bool of_task =
        event.kind == EventKind::task_done || event.kind == EventKind::task_failed ||
        event.kind == EventKind::published || event.kind == EventKind::activity_done;
    return cancelled_ && of_task && !open_.contains(event.task);
  }

  void handle(const Event& event) {
    recorder_.event(event, event.kind == EventKind::timer_fired && event.timer == end_timer);
    switch (event.kind) {
      case EventKind::run_started:
        if (scenario_.evaluation.every > 0) evaluate();
        evaluate_later();
        break;
      case EventKind::task_done:
        task_done(event);
        break;
      case EventKind::task_failed:
        task_failed(event);
        break;
      case EventKind::published:
        published(event);
        break;
      case EventKind::evaluated:
        evaluated(event);
        break;
      case EventKind::timer_fired:
        if (event.timer == end_timer) end(RunStatus::done, "");
        if (event.timer == replay_end_timer) end(RunStatus::stopped, "");
        if (event.timer == evaluate_next_timer) {
          evaluate();
          evaluate_later();
        }
        timers_.erase(event.timer);
        break;
      case EventKind::node_joined:
      case EventKind::node_changed:
      case EventKind::activity_done:
      case EventKind::node_lost:
        break;
    }
    if (finished_) return;
    for (const Order& order : schedule_->on(event)) {
      ordered_ = true;
      recorder_.order(order, event.time);
      apply(order);
      if (finished_) return;
    }
  }

  void evaluate_later() {
    if (!learner_ || !scenario_.evaluation.every_s) return;
    world_.set_timer(evaluate_next_timer, world_.now() + *scenario_.evaluation.every_s);
  }

  void task_done(const Event& event) {
    const bool is_update = open_.at(event.task).kind == TaskKind::update;
    const auto learned = learned_.extract(event.task);
    recorder_.task_done(event.task, event.time, learned.empty() ? nullptr : &learned.mapped());
    const std::vector<TaskId> taken = open_.done(event.task);
    if (learner_) learner_->let_go(taken);
    if (!is_update) return;
    ++tasks_done_;
    patience_.succeeded();
  }

  void task_failed(const Event& event) {
    const OpenTask& task = open_.at(event.task);
    // Nobody else can do it, and it would fail again.
    const bool servers = event.node == server_node && task.worker == server_node;
    if (task.kind == TaskKind::aggregation && servers) {
      double memory = 0;
      for (const Activity& a : task.graph->activities()) memory = std::max(memory, a.memory);
      recorder_.task_failed(event.task, event.cause, event.time);
      fail(fmt::format("the aggregation of version {} failed on {}: {}; it needs {} of memory",
                       version_ + 1, node_name(server_node), name_of(event.cause),
                       base::human_bytes(memory)));
      return;
    }
    if (event.cause == Cause::diverged) ++diverged_[event.node];
    learned_.erase(event.task);
    came_to_nothing(event.task, event.cause, event.node);
  }

  void came_to_nothing(TaskId id, Cause cause, NodeId node) {
    recorder_.task_failed(id, cause, world_.now());
    if (learner_) learner_->given_up(id);
    open_.came_to_nothing(id);
    learned_.erase(id);
    if (std::string why = patience_.failed(cause, id, node); !why.empty()) fail(std::move(why));
  }

  void published(const Event& event) {
    const OpenTask task = open_.published(event.task);
    std::optional<TaskLearned> learned;
    if (learner_) {
      learned = learner_->published(event.task);
      if (!learned->finite) {
        fail(
            fmt::format("version {} of the model would hold NaN or infinity, whichever of its {} "
                        "updates is left out; lower training.optimizer.learning_rate or that of "
                        "schedule.aggregation, or set a norm_bound there",
                        event.version, task.updates));
        return;
      }
    }
    version_ = event.version;
    updates_aggregated_ += task.updates;
    recorder_.published(event.task, version_, event.time, learned ? &*learned : nullptr);
    const std::int64_t every = scenario_.evaluation.every;
    if (every > 0 && version_ % every == 0) evaluate();
    const StopOptions& stop = scenario_.stop;
    const bool rounds = stop.rounds && version_ >= *stop.rounds;
    const bool tasks = stop.tasks && updates_aggregated_ >= *stop.tasks;
    if (rounds || tasks) end(RunStatus::done, "");
  }

  // --- orders -----------------------------------------------------------------------------------

  void apply(const Order& order) {
    std::visit(
        Overloaded{[this](const Assign& o) { assign(o); }, [this](const Cancel& o) { cancel(o); },
                   [this](const Evaluate&) { evaluate(true); },
                   [this](const SetTimer& o) {
                     timers_.insert(o.timer);
                     world_.set_timer(o.timer, o.time);
                   },
                   [this](const CancelTimer& o) {
                     timers_.erase(o.timer);
                     world_.cancel_timer(o.timer);
                   },
                   [this](const Finish& o) {
                     end(o.cause.empty() ? RunStatus::done : RunStatus::failed, o.cause);
                   }},
        order);
  }

  void assign(const Assign& order) {
    open_.assign(order);
    recorder_.assigned(order, version_, world_.now());
    if (learner_) learner_->assigned(order);
    world_.start(order.task, order.graph, order.members, order.report_activities, order.worker);
  }

  void cancel(const Cancel& order) {
    open_.check_cancel(order.task);
    const NodeId worker = open_.at(order.task).worker;
    cancelled_ = true;
    world_.cancel(order.task);
    came_to_nothing(order.task, Cause::cancelled, worker);
  }

  // --- the end ----------------------------------------------------------------------------------

  void end(RunStatus status, std::string cause) {
    if (finished_) return;
    finished_ = true;
    status_ = status;
    cause_ = std::move(cause);
    world_.stop();
  }

  // By an exception, perhaps after what seemed to be the end.
  void break_off(RunStatus status, std::string cause) {
    finished_ = true;
    status_ = status;
    cause_ = std::move(cause);
    if (!learner_) return;
    try {
      keep_what_was_learned();
    } catch (const std::exception& e) {
      if (cause_ != e.what()) cause_ += fmt::format("{}{}", cause_.empty() ? "" : "; ", e.what());
    }
  }

  void keep_what_was_learned() {
    learner_->checkpoint();
    learner_->write_model();
  }

  void fail(std::string cause) { end(RunStatus::failed, std::move(cause)); }

  [[nodiscard]] bool is_real(NodeId node) const {
    return scenario_.world.nodes[static_cast<std::size_t>(node)].real.has_value();
  }

  [[nodiscard]] std::string node_name(NodeId node) const {
    return scenario_.world.nodes[static_cast<std::size_t>(node)].name;
  }

  [[nodiscard]] double share() const {
    const StopOptions& stop = scenario_.stop;
    double share = 0;
    const auto reach = [&](double now, double goal) { share = std::max(share, now / goal); };
    if (stop.rounds) reach(static_cast<double>(version_), static_cast<double>(*stop.rounds));
    if (stop.tasks) {
      reach(static_cast<double>(updates_aggregated_), static_cast<double>(*stop.tasks));
    }
    if (stop.virtual_time_s) reach(world_.now(), *stop.virtual_time_s);
    return std::min(share, 1.0);
  }

  [[nodiscard]] Summary summary() const {
    Summary s = summarize(scenario_, world_, recorder_, diverged_);
    s.rounds = version_;
    if (options_.real != nullptr) s.max_lag_s = world_.max_lag_s();
    if (store_) s.store = store_->path().string();
    return s;
  }

  // --- the store --------------------------------------------------------------------------------

  std::unique_ptr<StoreWriter> open_store() {
    if (options_.folder.empty()) return nullptr;
    return std::make_unique<StoreWriter>(options_.folder,
                                         run_row(scenario_, options_.version, world_.description()),
                                         node_rows(scenario_), options_.mode, options_.durable);
  }

  void finish_store(const Summary& summary, double cpu_s) {
    std::map<std::string, std::string> host = options_.host;
    host["file"] = scenario_.file;
    host["workers"] = learner_ ? fmt::format("{}", workers()) : "0";
    host["device"] = learner_ ? options_.device : "";
    host["wall_time_s"] = fmt::format("{:.6f}", summary.wall_time_s);
    host["cpu_time_s"] = fmt::format("{:.6f}", cpu_s);
    host["ended_unix_s"] = fmt::format("{}", std::time(nullptr));
    store_->finish({status_, cause_, summary.virtual_time_s}, node_ends(summary), host);
  }

  const Scenario& scenario_;
  const RunOptions& options_;
  std::unique_ptr<Schedule> schedule_;
  std::shared_ptr<const engine::Engine> engine_;  // null: timing only
  std::shared_ptr<const engine::Weights> initial_;
  World world_;
  std::unique_ptr<StoreWriter> store_;
  Recorder recorder_;
  std::optional<Learner> learner_;

  std::int64_t version_ = 0;
  std::int64_t tasks_done_ = 0;
  std::int64_t updates_aggregated_ = 0;
  OpenTasks open_;
  std::map<TaskId, TaskLearned> learned_;  // of tasks done at this instant
  std::map<NodeId, int> diverged_;         // tasks, by node
  Evaluations evaluations_;
  Patience patience_;

  std::set<std::int64_t> timers_;  // set by the schedule and not fired yet
  bool ordered_ = false;           // at this instant
  bool cancelled_ = false;         // a task, since this instant began

  bool finished_ = false;
  RunStatus status_ = RunStatus::done;
  std::string cause_;
};

}  // namespace

RunResult run(const Scenario& scenario, const RunOptions& options) {
  require_runnable(scenario);
  const bool has_real = std::any_of(scenario.world.nodes.begin(), scenario.world.nodes.end(),
                                    [](const NodeConfig& n) { return n.real.has_value(); });
  if (has_real && options.real == nullptr) {
    throw std::logic_error("a scenario with real nodes, and nobody who has them");
  }
  return Run(scenario, options).execute();
}

}  // namespace convoy::sim
