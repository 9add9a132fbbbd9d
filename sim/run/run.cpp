#include "sim/run/run.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "sim/run/learner.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/run/recorder.hpp"
#include "sim/schedule/local_update.hpp"
#include "sim/schedule/schedule.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {
namespace {

// Timers of the run's own; schedules count theirs from 0.
constexpr std::int64_t end_timer = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t judged_timer = end_timer + 1;  // the model is to be judged at this instant
constexpr std::int64_t judge_next_timer = end_timer + 2;  // time to judge it
constexpr std::int64_t replay_end_timer = end_timer + 3;  // the recording ends here

// Aggregations are tasks of the world too; the one that makes version v is task -v - 1.
TaskId aggregation_task(std::int64_t version) { return -version - 1; }
bool is_aggregation(TaskId task) { return task < no_task; }

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
        local_updates_(scenario.setting) {
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
      if (!finished_) fail(at_rest());
      if (learner_ && status_ == RunStatus::done) judge_at_the_end();
      if (learner_) keep_what_was_learned();
    } catch (const Interrupted&) {
      break_off(RunStatus::stopped, "");
    } catch (const std::exception& e) {
      break_off(RunStatus::failed, e.what());
    }
    recorder_.run_ended(world_.now());
    RunResult result{status_, cause_, summarize()};
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
    for (Event& event : events) {
      if (learner_) learn_of(event);
      if (!is_aggregation(event.task)) continue;
      if (event.kind == EventKind::task_done) {
        event.kind = EventKind::aggregated;
        event.version = version_ + 1;
      }
      event.node = server_node;
    }
    std::sort(events.begin(), events.end(), comes_before);
    ordered_ = false;
    for (Event& event : events) {
      event.last = &event == &events.back();
      handle(event);
      if (finished_) return;
    }
    poll();
    if (finished_) return;
    watch_for_rest();
    if (learner_) learner_->maybe_checkpoint();
    if (options_.progress) {
      options_.progress({world_.now(), version_, tasks_done_, accuracy_, share(), this});
    }
  }

  Activity size_of(TaskId task, const Activity& expected) override {
    // What a real node keeps of the model shows when its update comes.
    if (!learner_ || is_real(recorder_.node_of(task))) return expected;
    return local_updates_.sized(recorder_.node_of(task), expected, learner_->submodel(task));
  }

  void on_activity(const ActivityRecord& record) override { recorder_.activity(record); }

  void on_presence(const ElasticClock::Presence& presence, double now) override {
    recorder_.presence(presence, now);
    spdlog::warn("node {} {} at {:.3f} s", node_name(presence.node),
                 presence.present    ? "is there"
                 : presence.for_good ? "is lost for good"
                                     : "is lost",
                 now);
  }

  void on_real(const RealReport& report) override {
    const std::string what =
        fmt::format("node {}, task {}, {}: after {} (predicted {})", node_name(report.node),
                    report.task, report.label, base::human_seconds(report.elapsed_s),
                    base::human_seconds(report.predicted_s));
    if (report.cause != Cause::none) {
      spdlog::warn("{}: {}{}{}", what, name_of(report.cause), report.detail.empty() ? "" : ": ",
                   report.detail);
      return;
    }
    const double late_ms = 1e3 * report.late_s;
    if (late_ms <= scenario_.hil.max_lag_ms) return;
    if (scenario_.hil.fail_when_late) {
      fail(fmt::format("{}: delivered {:.1f} ms late (hil.max_lag_ms = {}, hil.late = \"fail\")",
                       what, late_ms, scenario_.hil.max_lag_ms));
    } else {
      spdlog::warn("{}: delivered {:.1f} ms late", what, late_ms);
    }
  }

  void on_settled() override {
    for (ReadingRow& reading : options_.real->readings()) {
      reading.time_s = world_.now();
      if (store_) store_->add(reading);
    }
    if (!options_.real->has_orders()) return;
    if (store_ && !finished_) store_->commit();
    options_.real->settled();
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
  }

  [[nodiscard]] int workers() const {
    if (options_.workers > 0) return options_.workers;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  // What the world cannot know of an event: that an update is worthless, that what a timer of the
  // run's own stands for is a judgement.
  void learn_of(Event& event) {
    if (event.kind == EventKind::task_done && !is_aggregation(event.task)) {
      const TaskLearned learned = learner_->done(event.task, event.node);
      learned_[event.task] = learned;
      if (learned.finite) return;
      event.kind = EventKind::task_failed;
      event.cause = Cause::diverged;
    } else if (event.kind == EventKind::timer_fired && event.timer == judged_timer) {
      event.kind = EventKind::evaluated;
      event.node = server_node;
      judgement_ = learner_->judged();
      event.version = judged_version_;
      event.accuracy = judgement_.accuracy();
    }
  }

  void ask_for_judgement() {
    if (!learner_ || judged_version_ == version_) return;
    judged_version_ = version_;
    learner_->judge();
    world_.set_timer(judged_timer, world_.now());
  }

  void evaluated(const Event& event) {
    recorder_.evaluated(judgement_, event.version, event.time);
    accuracy_ = event.accuracy;
    shown_version_ = event.version;
    if (scenario_.stop.accuracy && *accuracy_ >= *scenario_.stop.accuracy) {
      end(RunStatus::done, "");
    }
  }

  // Whatever ended the run, its last version is judged.
  void judge_at_the_end() {
    if (shown_version_ == version_) return;
    judged_version_ = version_;
    learner_->judge();
    judgement_ = learner_->judged();
    Event event{.time = world_.now(), .kind = EventKind::evaluated, .node = server_node};
    event.version = version_;
    event.accuracy = judgement_.accuracy();
    event.last = true;
    recorder_.event(event);
    evaluated(event);
  }

  // --- events -----------------------------------------------------------------------------------

  void handle(const Event& event) {
    recorder_.event(event);
    switch (event.kind) {
      case EventKind::run_started:
        if (scenario_.evaluation.every > 0) ask_for_judgement();
        judge_later();
        break;
      case EventKind::task_done:
        recorder_.task_done(event.task, event.time, learned_of(event.task));
        ++tasks_done_;
        failures_in_a_row_ = 0;
        diverged_in_a_row_ = 0;
        break;
      case EventKind::task_failed:
        if (is_aggregation(event.task)) {
          fail(fmt::format("the aggregation of version {} failed on {}: {}; it needs {} of memory",
                           version_ + 1, scenario_.world.nodes.front().name, name_of(event.cause),
                           base::human_bytes(aggregation_memory_)));
          return;
        }
        recorder_.task_failed(event.task, event.cause, event.time);
        if (learner_) learner_->given_up(event.task);
        if (event.cause == Cause::diverged) ++diverged_[event.node];
        learned_.erase(event.task);
        note_failure(event.cause, event.task, event.node);
        break;
      case EventKind::aggregated:
        aggregated(event);
        break;
      case EventKind::evaluated:
        evaluated(event);
        break;
      case EventKind::timer_fired:
        if (event.timer == end_timer) end(RunStatus::done, "");
        if (event.timer == replay_end_timer) end(RunStatus::stopped, "");
        if (event.timer == judge_next_timer) {
          ask_for_judgement();
          judge_later();
        }
        timers_.erase(event.timer);
        break;
      default:
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

  void judge_later() {
    if (!learner_ || !scenario_.evaluation.every_s) return;
    world_.set_timer(judge_next_timer, world_.now() + *scenario_.evaluation.every_s);
  }

  // Forgotten once it is asked for.
  const TaskLearned* learned_of(TaskId task) {
    const auto found = learned_.find(task);
    if (found == learned_.end()) return nullptr;
    learned_now_ = found->second;
    learned_.erase(found);
    return &learned_now_;
  }

  void aggregated(const Event& event) {
    version_ = event.version;
    updates_aggregated_ += static_cast<std::int64_t>(aggregating_.size());
    AggregationLearned learned;
    if (learner_) learned = learner_->aggregated();
    recorder_.aggregated(aggregating_, version_, aggregation_start_, event.time,
                         learner_ ? &learned : nullptr);
    const std::int64_t every = scenario_.evaluation.every;
    if (every > 0 && version_ % every == 0) ask_for_judgement();
    aggregating_.clear();
    const StopOptions& stop = scenario_.stop;
    const bool rounds = stop.rounds && version_ >= *stop.rounds;
    const bool tasks = stop.tasks && updates_aggregated_ >= *stop.tasks;
    if (rounds || tasks) end(RunStatus::done, "");
  }

  // --- orders -----------------------------------------------------------------------------------

  void apply(const Order& order) {
    std::visit(
        Overloaded{[this](const Assign& o) { assign(o); }, [this](const Cancel& o) { cancel(o); },
                   [this](const Aggregate& o) { aggregate(o); },
                   [this](const Evaluate&) { ask_for_judgement(); },
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
    recorder_.assigned(order, version_, world_.now());
    if (learner_) learner_->assigned(order);
    world_.start(order.task, order.graph, order.members, order.report_activities);
  }

  void cancel(const Cancel& order) {
    world_.cancel(order.task);
    if (learner_) learner_->given_up(order.task);
    const NodeId node = recorder_.node_of(order.task);
    recorder_.task_failed(order.task, Cause::cancelled, world_.now());
    note_failure(Cause::cancelled, order.task, node);
  }

  void aggregate(const Aggregate& order) {
    if (!aggregating_.empty()) {
      throw std::logic_error("a schedule ordered an aggregation during another");
    }
    aggregating_ = order.tasks;
    if (learner_) learner_->aggregate(order.tasks);
    aggregation_start_ = world_.now();
    aggregation_memory_ = 0;
    for (const Activity& a : order.graph->activities()) {
      aggregation_memory_ = std::max(aggregation_memory_, a.memory);
    }
    world_.start(aggregation_task(version_ + 1), order.graph, order.members);
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
      cause_ += fmt::format("{}{}", cause_.empty() ? "" : "; ", e.what());
    }
  }

  void keep_what_was_learned() {
    learner_->checkpoint(status_ == RunStatus::done);
    learner_->write_model();
  }

  void fail(std::string cause) { end(RunStatus::failed, std::move(cause)); }

  // A run in which nothing succeeds any more has failed, whatever the schedule goes on trying.
  void note_failure(Cause cause, TaskId task, NodeId node) {
    diverged_in_a_row_ = cause == Cause::diverged ? diverged_in_a_row_ + 1 : 0;
    if (diverged_in_a_row_ > 2 * static_cast<std::int64_t>(scenario_.setting->workers())) {
      fail(
          fmt::format("training diverges: {} updates in a row held NaN or infinity, the last of "
                      "{}; lower training.optimizer.learning_rate or set training.clip",
                      diverged_in_a_row_, node_name(node)));
      return;
    }
    const std::string_view what =
        cause == Cause::cancelled ? "given up by the schedule" : name_of(cause);
    last_failure_ = fmt::format("task {} on {}: {}", task, node_name(node), what);
    const std::int64_t limit = 1000 + 10 * static_cast<std::int64_t>(scenario_.setting->workers());
    if (++failures_in_a_row_ >= limit) {
      fail(fmt::format("{} tasks in a row brought no update; the last was {}", failures_in_a_row_,
                       last_failure_));
    }
  }

  // With nothing under way the run is over unless some node may still come of which the schedule
  // has not been given a look in this rest. Nodes that come and go would keep the clock running.
  void watch_for_rest() {
    const bool at_work = world_.tasks() > 0 || !timers_.empty() || ordered_;
    if (at_work || scenario_.stop.virtual_time_s) {
      seen_at_rest_.clear();
      return;
    }
    const std::size_t count = scenario_.world.nodes.size();
    seen_at_rest_.resize(count, false);
    bool hope = false;
    for (std::size_t i = 1; i < count; ++i) {
      const auto node = static_cast<NodeId>(i);
      if (world_.present(node)) seen_at_rest_[i] = true;
      hope = hope || (!seen_at_rest_[i] && world_.expected(node));
    }
    if (!hope) fail(at_rest());
  }

  [[nodiscard]] std::string at_rest() const {
    const int workers = scenario_.setting->workers();
    int away = 0;
    for (NodeId node = 1; node <= workers; ++node) away += world_.present(node) ? 0 : 1;
    std::string text = fmt::format(
        "the run came to rest at {} before its end, after {} aggregations: {} of {} nodes are away",
        base::human_seconds(world_.now()), version_, away, workers);
    if (away == workers) text += " and none of them returns";
    if (!last_failure_.empty()) text += fmt::format("; the last failure was {}", last_failure_);
    return text;
  }

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

  [[nodiscard]] Summary summarize() const {
    Summary s;
    s.scenario = scenario_.name;
    s.schedule = scenario_.schedule.kind;
    s.seed = scenario_.seed;
    s.rounds = version_;
    s.virtual_time_s = world_.now();
    recorder_.count_into(s);
    const std::optional<double> target =
        scenario_.evaluation.target ? scenario_.evaluation.target : scenario_.stop.accuracy;
    for (const Judgement& j : s.judgements) {
      s.accuracy = j.accuracy;
      s.accuracy_best = std::max(s.accuracy_best.value_or(0), j.accuracy);
      const bool first = target && !s.time_to_accuracy_s && j.accuracy >= *target;
      if (first) s.time_to_accuracy_s = j.time_s;
    }
    double busy = 0;
    for (std::size_t i = 0; i < scenario_.world.nodes.size(); ++i) {
      NodeSummary node{scenario_.world.nodes[i].name, world_.usage(static_cast<NodeId>(i)), 0,
                       scenario_.world.nodes[i].memory};
      // The world has seen these end as they should.
      if (const auto d = diverged_.find(static_cast<NodeId>(i)); d != diverged_.end()) {
        node.usage.tasks -= d->second;
        node.usage.tasks_failed += d->second;
      }
      node.waiting_s = std::max(0.0, s.virtual_time_s - node.usage.active_s - node.usage.away_s);
      if (i > 0) busy += node.usage.busy_s;
      s.energy_j += node.usage.energy_j;
      s.nodes.push_back(std::move(node));
    }
    const double node_time = scenario_.setting->workers() * s.virtual_time_s;
    s.utilization = node_time > 0 ? busy / node_time : 0;
    s.network = world_.description();
    if (options_.real != nullptr) {
      for (const NodeConfig& node : scenario_.world.nodes) s.real_nodes += node.real ? 1 : 0;
      s.max_lag_s = world_.max_lag_s();
    }
    if (store_) s.store = store_->path().string();
    return s;
  }

  // --- the store --------------------------------------------------------------------------------

  std::unique_ptr<StoreWriter> open_store() {
    if (options_.folder.empty()) return nullptr;
    const RunRow run{scenario_.name,      scenario_.schedule.kind, scenario_.seed,
                     scenario_.resolved,  scenario_.hash,          options_.version,
                     world_.description()};
    std::vector<NodeRow> nodes;
    for (std::size_t i = 0; i < scenario_.world.nodes.size(); ++i) {
      const NodeIdentity& identity = scenario_.identities[i];
      nodes.push_back({static_cast<std::int64_t>(i), scenario_.world.nodes[i].name, identity.device,
                       identity.mode, identity.link, scenario_.world.nodes[i].real ? "hil" : "sim",
                       scenario_.world.nodes[i].memory, scenario_.setting->nodes[i].samples,
                       scenario_.setting->nodes[i].batch});
    }
    return std::make_unique<StoreWriter>(options_.folder, run, nodes, options_.mode,
                                         options_.durable);
  }

  void finish_store(const Summary& summary, double cpu_s) {
    std::vector<NodeEnd> nodes;
    for (std::size_t i = 0; i < summary.nodes.size(); ++i) {
      const NodeSummary& n = summary.nodes[i];
      nodes.push_back({static_cast<std::int64_t>(i), n.usage.busy_s, n.usage.communicating_s,
                       n.waiting_s, n.usage.away_s, n.usage.bytes_in, n.usage.bytes_out,
                       n.usage.peak_memory, n.usage.energy_j, n.usage.tasks, n.usage.tasks_failed});
    }
    store_->finish({status_, cause_, summary.virtual_time_s}, nodes,
                   {{"file", scenario_.file},
                    {"workers", learner_ ? fmt::format("{}", workers()) : "0"},
                    {"device", learner_ ? options_.device : ""},
                    {"wall_time_s", fmt::format("{:.6f}", summary.wall_time_s)},
                    {"cpu_time_s", fmt::format("{:.6f}", cpu_s)},
                    {"ended_unix_s", fmt::format("{}", std::time(nullptr))}});
  }

  const Scenario& scenario_;
  const RunOptions& options_;
  std::unique_ptr<Schedule> schedule_;
  std::shared_ptr<const engine::Engine> engine_;  // null: timing only
  std::shared_ptr<const engine::Weights> initial_;
  World world_;
  std::unique_ptr<StoreWriter> store_;
  Recorder recorder_;
  LocalUpdates local_updates_;
  std::optional<Learner> learner_;

  std::int64_t version_ = 0;
  std::int64_t tasks_done_ = 0;
  std::int64_t updates_aggregated_ = 0;
  std::vector<TaskId> aggregating_;
  double aggregation_start_ = 0;
  double aggregation_memory_ = 0;

  std::map<TaskId, TaskLearned> learned_;  // of tasks done at this instant
  TaskLearned learned_now_;
  engine::Evaluation judgement_;
  std::int64_t judged_version_ = -1;  // asked for last
  std::int64_t shown_version_ = -1;   // whose judgement is there
  std::optional<double> accuracy_;
  std::int64_t diverged_in_a_row_ = 0;
  std::map<NodeId, int> diverged_;  // tasks, by node

  std::set<std::int64_t> timers_;   // set by the schedule and not fired yet
  std::vector<bool> seen_at_rest_;  // by node: there at some instant of this rest
  std::int64_t failures_in_a_row_ = 0;
  bool ordered_ = false;  // at this instant
  std::string last_failure_;

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
