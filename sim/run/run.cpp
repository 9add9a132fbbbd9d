#include "sim/run/run.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>
#include <stdexcept>
#include <thread>

#include "sim/run/evaluations.hpp"
#include "sim/run/goals.hpp"
#include "sim/run/instant.hpp"
#include "sim/run/learner.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/run/own_timers.hpp"
#include "sim/run/patience.hpp"
#include "sim/run/real_node_log.hpp"
#include "sim/run/recorder.hpp"
#include "sim/run/run_rows.hpp"
#include "sim/run/run_share.hpp"
#include "sim/run/summarize.hpp"
#include "sim/run/tasks.hpp"
#include "sim/run/trace_rows.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::sim {
namespace {

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
        // Before the store is created: if the engine refuses the scenario, no files are left.
        engine_(scenario.training.learn ? open_engine(scenario, *schedule_, options.device)
                                        : nullptr),
        initial_(engine_ ? engine_->initial(scenario.initial_weights) : nullptr),
        world_(scenario.world, *this, options.real),
        store_(open_store()),
        recorder_(store_.get(), scenario.output.record, options.real != nullptr),
        evaluations_(scenario, world_, recorder_),
        patience_(scenario, world_),
        tasks_(scenario, world_, recorder_, patience_, goals_) {
    recorder_.expect_staleness(schedule_->max_staleness());
    if (engine_ && options.estimated && options.mode != StoreMode::resume && !options.real) {
      tell_estimate();
    }
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
    if (scenario_.stop.virtual_time_s) {
      world_.set_timer(own_timers::end, *scenario_.stop.virtual_time_s);
    }
    if (options_.replay_until_s) world_.set_timer(own_timers::replay_end, *options_.replay_until_s);
    try {
      world_.run();
      if (!finished_) fail(patience_.at_rest(goals_.version()));
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
      broken_ = true;
      break_off(RunStatus::failed, e.what());
    }
    evaluations_.settle();
    recorder_.run_ended(world_.now());
    check_counts();
    RunResult result{status_, cause_, summarize(scenario_, world_, recorder_, tasks_.diverged())};
    result.summary.rounds = goals_.version();
    for (std::string& remark : schedule_->remarks()) {
      result.summary.remarks.push_back(std::move(remark));
    }
    result.summary.max_lag_s = max_lag_s();
    if (store_) result.summary.store = store_->path().string();
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
    for (Event& event : events) evaluations_.make_event_of(event);
    tasks_.begin_instant(events);
    ordered_ = false;
    Instant instant(
        std::move(events),
        {.time = world_.now(), .kind = EventKind::timer_fired, .timer = own_timers::instant_over},
        [this](const Event& e) { return tasks_.is_void(e); });
    while (std::optional<Event> event = instant.next()) {
      if (event->kind == EventKind::published) event->version = goals_.version() + 1;
      handle(*event);
      if (finished_) return;
    }
    poll();
    if (finished_) return;
    evaluations_.settle();
    const bool at_work = world_.tasks() > 0 || !timers_.empty() || ordered_;
    if (!patience_.has_hope(at_work)) fail(patience_.at_rest(goals_.version()));
    if (learner_) learner_->maybe_checkpoint();
    show_progress(false);
  }

  Activity size_of(TaskId task, const Activity& expected) override {
    if (!learner_) return expected;
    // What is kept is no submodel of the model that is charged for: that of its rate is.
    if (scenario_.setting->learned_as) return expected;
    // A real node's submodel becomes known with its update.
    if (is_real(tasks_.at(task).worker) && !learner_->follows_from_version()) return expected;
    return schedule_->sized(task, expected, learner_->submodel(task));
  }

  void on_activity(const ActivityRecord& record) override {
    recorder_.activity(record);
    tasks_.activity_ended(record);
  }

  void on_memory(NodeId node, double bytes, double now) override {
    recorder_.memory(node, bytes, now);
  }
  void on_memory_wait(TaskId task, double seconds) override {
    recorder_.memory_wait(task, seconds);
  }

  void on_presence(const ElasticClock::Presence& presence, double now) override {
    recorder_.presence(presence, now);
    tell_presence(scenario_, presence, now);
  }

  void on_real(const RealReport& report) override { fail_if(tell_report(scenario_, report)); }

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
    fail_if(options_.real->trouble());
  }

 private:
  void tell_estimate() {
    try {
      const auto estimate = estimate_wall_time(scenario_, *schedule_, *engine_, workers());
      if (estimate) options_.estimated(*estimate);
    } catch (const std::exception& e) {
      // Whatever hinders the training, the run itself will say it.
      spdlog::info("no estimate of the wall time: {}", e.what());
    }
  }

  void show_progress(bool training) {
    if (!options_.progress) return;
    share_.look(world_.now(), world_.tasks(), learner_ ? &*learner_ : nullptr);
    options_.progress({world_.now(), goals_.version(), goals_.tasks_done(), evaluations_.accuracy(),
                       share_.share(), share_.before(), training, this});
  }

  // --- learning ---------------------------------------------------------------------------------

  void start_learning() {
    LearnerOptions learner;
    learner.workers = workers();
    learner.folder = options_.folder;
    learner.resume = options_.mode == StoreMode::resume;
    learner.interrupted = options_.interrupted;
    learner.waiting = [this] { show_progress(true); };
    learner.real = options_.real;
    if (options_.real != nullptr && store_)
      learner.before_checkpoint = [this] { store_->commit(); };
    learner_.emplace(scenario_, engine_, std::move(initial_), std::move(learner));
    evaluations_.use(&*learner_);
    tasks_.use(&*learner_);
  }

  [[nodiscard]] int workers() const {
    if (options_.workers > 0) return options_.workers;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  void evaluated(const Event& event) {
    evaluations_.told(event);
    if (scenario_.stop.accuracy && event.accuracy >= *scenario_.stop.accuracy) {
      end(RunStatus::done, "");
    }
  }

  // Evaluates the last version, whatever ended the run.
  void evaluate_at_the_end() {
    const std::optional<Event> event = evaluations_.of_the_end(goals_.version());
    if (!event) return;
    recorder_.event(*event, true);
    evaluated(*event);
  }

  // --- events -----------------------------------------------------------------------------------

  void handle(const Event& event) {
    const bool of_timer = event.kind == EventKind::timer_fired;
    recorder_.event(event, of_timer && event.timer == own_timers::end);
    switch (event.kind) {
      case EventKind::run_started:
        evaluations_.started();
        break;
      case EventKind::task_done:
        tasks_.done(event);
        break;
      case EventKind::task_failed:
        fail_if(tasks_.failed(event));
        break;
      case EventKind::published:
        fail_if(tasks_.published(event));
        if (finished_) break;
        evaluations_.published(event.version);
        if (goals_.are_reached()) end(RunStatus::done, "");
        break;
      case EventKind::evaluated:
        evaluated(event);
        break;
      case EventKind::timer_fired:
        if (event.timer == own_timers::end) end(RunStatus::done, "");
        if (event.timer == own_timers::replay_end) end(RunStatus::stopped, "");
        evaluations_.fired(event.timer, goals_.version());
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

  // --- orders -----------------------------------------------------------------------------------

  void apply(const Order& order) {
    std::visit(Overloaded{[this](const Assign& o) { tasks_.assign(o); },
                          [this](const Cancel& o) { fail_if(tasks_.cancel(o)); },
                          [this](const Evaluate&) { evaluations_.ask(goals_.version(), true); },
                          [this](const SetTimer& o) {
                            timers_.insert(o.timer);
                            world_.set_timer(o.timer, o.time);
                          },
                          [this](const CancelTimer& o) {
                            timers_.erase(o.timer);
                            world_.cancel_timer(o.timer);
                          },
                          [](const Planned&) {},  // for the journal
                          [this](const Finish& o) {
                            end(o.cause.empty() ? RunStatus::done : RunStatus::failed, o.cause);
                          }},
               order);
  }

  // --- the end ----------------------------------------------------------------------------------

  void end(RunStatus status, std::string cause) {
    if (finished_) return;
    finished_ = true;
    status_ = status;
    cause_ = std::move(cause);
    world_.stop();
  }

  // Ends the run after an exception, possibly after its regular end.
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

  // Whatever ended the run, each task has one fate, and no rule was broken. What an exception
  // interrupted may be counted in part.
  void check_counts() {
    const std::string wrong = recorder_.miscounted();
    if (broken_ || wrong.empty()) return;
    status_ = RunStatus::failed;
    cause_ = cause_.empty() ? wrong : fmt::format("{}; {}", cause_, wrong);
  }

  void keep_what_was_learned() {
    learner_->checkpoint();
    learner_->write_model();
  }

  void fail(std::string cause) { end(RunStatus::failed, std::move(cause)); }
  void fail_if(std::string cause) {
    if (!cause.empty()) fail(std::move(cause));
  }

  [[nodiscard]] bool is_real(NodeId node) const {
    return scenario_.world.nodes[static_cast<std::size_t>(node)].real.has_value();
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
    if (learner_) {
      host["held_bytes_most"] = fmt::format("{}", learner_->held().most_in_memory());
      host["set_aside"] = fmt::format("{}", learner_->held().set_aside());
    }
    host["wall_time_s"] = fmt::format("{:.6f}", summary.wall_time_s);
    host["cpu_time_s"] = fmt::format("{:.6f}", cpu_s);
    host["ended_unix_s"] = fmt::format("{}", std::time(nullptr));
    for (TraceRow& row : trace_rows(scenario_.world, world_.now())) store_->add(std::move(row));
    for (const TrafficRow& row : summary.traffic) store_->add(row);
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

  Goals goals_{scenario_.stop};
  RunShare share_{goals_};
  Evaluations evaluations_;
  Patience patience_;
  Tasks tasks_;

  std::set<std::int64_t> timers_;  // set by the schedule and not fired yet
  bool ordered_ = false;           // an order was given at this instant

  bool finished_ = false;
  bool broken_ = false;  // by an exception
  RunStatus status_ = RunStatus::done;
  std::string cause_;
};

}  // namespace

RunResult run(const Scenario& scenario, const RunOptions& options) {
  require_runnable(scenario);
  if (any_real(scenario) && options.real == nullptr) {
    throw std::logic_error("a scenario with real nodes, and nobody who has them");
  }
  return Run(scenario, options).execute();
}

}  // namespace convoy::sim
