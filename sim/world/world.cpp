#include "sim/world/world.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "sim/task/event.hpp"
#include "sim/world/executor.hpp"
#include "sim/world/lanes.hpp"
#include "sim/world/presence.hpp"
#include "sim/world/real_activities.hpp"
#include "sim/world/running.hpp"
#include "sim/world/task_table.hpp"
#include "sim/world/timers.hpp"

namespace convoy::sim {
namespace {

using State = RunningActivity::State;

}  // namespace

// How an instant is handled: SimGrid ends activities; timers report presences and fired timers.
// These are only noted (ended_, comings_, events_). The first note arms a timer that then drains
// them: activities end, successors and waiting activities start, and the listener gets the events
// in order. The listener's orders may cause another drain at the same instant.
class World::Impl : base::NonCopyable {
 public:
  Impl(const WorldConfig& config, WorldListener& listener, RealBackend* real)
      : config_(config),
        listener_(listener),
        timers_([this] { poll(); }),
        executor_(
            config_, timers_, [this](RunningActivity& a) { note_end(a); },
            [this](RunningActivity& a) { note_end_of_shared(a); },
            [this](NodeId node, double speed) {
              emit({.kind = EventKind::node_changed, .node = node, .speed = speed});
            }),
        presence_(
            config, [this](double time, auto call) { timers_.after(time, std::move(call)); },
            [this](NodeId node, bool present) { note_coming(node, present); }),
        lanes_(
            config_, [this] { return timers_.now(); },
            [this](NodeId node) {
              if (!failure_) listener_.on_memory(node, lanes_.memory_taken(node), now());
            },
            [this](const RunningTask& task, double seconds) {
              if (!failure_) listener_.on_memory_wait(task.id, seconds);
            }),
        node_count_(static_cast<NodeId>(config.nodes.size())),
        tasks_(config.nodes.size()),
        real_(
            config, real, timers_, [this] { arm(); }, [this] { poll(); }) {}

  ~Impl() = default;

  void run() {
    presence_.start();
    emit({.kind = EventKind::run_started});
    for (NodeId node = 0; node < node_count_; ++node) {
      if (!presence_.present(node)) emit({.kind = EventKind::node_lost, .node = node});
    }
    running_ = true;
    executor_.run();
    running_ = false;
    if (failure_) std::rethrow_exception(failure_);
  }

  void stop() {
    if (stopping_) return;
    stopping_ = true;
    for (RunningTask* task : tasks_.all()) give_up(*task, Cause::run_ended);
    timers_.clear();
    events_.clear();
    real_.close();
    // Activities suspended at the end of SimGrid's run were cancelled only now: SimGrid must see
    // that, or it destroys them in a wrong order at exit.
    if (!running_) executor_.run();
  }

  void start(TaskId id, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
             bool report, int worker, WhenFull when_full) {
    RunningTask& task = tasks_.add(id, std::move(graph), std::move(members), report);
    task.worker = worker;
    for (const NodeId member : task.members) {
      if (presence_.present(member)) continue;
      emit({.kind = EventKind::task_failed, .node = member, .task = id, .cause = Cause::node_lost});
      give_up(task, Cause::node_lost);
      return;
    }
    switch (lanes_.admit(task, when_full == WhenFull::wait)) {
      case Admission::Answer::granted:
        begin_iteration(task);
        break;
      case Admission::Answer::later:
        if (!task.waits_for_memory()) fail_for_memory(task.memory);
        break;
      case Admission::Answer::never:
        fail_for_memory(task.memory);
        break;
    }
    start_waiting();
  }

  void cancel(TaskId id) {
    RunningTask* task = tasks_.find(id);
    if (task == nullptr) return;
    give_up(*task, Cause::cancelled);
    start_waiting();
  }

  void set_timer(std::int64_t timer, double time) {
    timers_.set(timer, time,
                [this, timer] { emit({.kind = EventKind::timer_fired, .timer = timer}); });
  }

  void cancel_timer(std::int64_t timer) { timers_.unset(timer); }

  [[nodiscard]] double now() const { return timers_.now(); }
  [[nodiscard]] bool present(NodeId node) const { return presence_.present(node); }
  [[nodiscard]] bool expected(NodeId node) const { return presence_.expected(node); }
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }
  [[nodiscard]] std::vector<UnderWay> under_way() const { return tasks_.under_way(); }
  [[nodiscard]] std::string description() const { return executor_.description(); }
  [[nodiscard]] NodeUsage usage(NodeId node) { return lanes_.usage(node); }
  [[nodiscard]] std::size_t nodes_made() const { return lanes_.nodes_made(); }
  [[nodiscard]] std::size_t hosts() const { return executor_.hosts(); }
  [[nodiscard]] double energy_j(NodeId node) const { return lanes_.energy_j(node); }
  [[nodiscard]] double memory_taken(NodeId node) const { return lanes_.memory_taken(node); }
  [[nodiscard]] double max_lag_s() const { return real_.max_lag_s(); }

 private:
  // --- noting what happens ----------------------------------------------------------------------

  void arm() {
    if (armed_ || stopping_) return;
    armed_ = true;
    timers_.soon([this] { guarded([this] { drain(); }); });
  }

  // Exceptions must not pass through SimGrid, which would keep activities that nothing ends.
  template <class Work>
  void guarded(Work work) {
    try {
      work();
    } catch (...) {
      failure_ = std::current_exception();
      stop();
    }
  }

  void poll() {
    guarded([this] { listener_.poll(); });
  }

  void emit(Event event) {
    event.time = now();
    event.sequence = sequence_++;
    events_.push_back(event);
    arm();
  }

  // SimGrid reports the end of an activity.
  void note_end(RunningActivity& a) {
    if (real_.hold_end(a)) return;
    ended_.push_back(&a);
    arm();
  }

  // What SimGrid ends at the same time is of the same instant, and comes yet.
  void note_end_of_shared(RunningActivity& a) {
    ended_shared_.push_back(&a);
    if (armed_ || armed_behind_ || stopping_) return;
    armed_behind_ = true;
    timers_.behind([this] {
      armed_behind_ = false;
      take_ended_shared();
      if (!armed_ && !ended_.empty()) guarded([this] { drain(); });
    });
  }

  // Only now, since what is held ends at the time at which it is held.
  void take_ended_shared() {
    for (RunningActivity* a : std::exchange(ended_shared_, {})) {
      if (!real_.hold_end(*a)) ended_.push_back(a);
    }
  }

  void note_coming(NodeId node, bool present) {
    lanes_.set_present(node, present);
    comings_.emplace_back(node, present);
    arm();
  }

  // --- real nodes -------------------------------------------------------------------------------

  void take_due() {
    for (const ElasticClock::Due& due : real_.take_due()) {
      if (due.id == 0) {
        const ElasticClock::Presence& p = due.presence;
        if (presence_.real_node(p.node, p.present, p.for_good)) listener_.on_presence(p, now());
        continue;
      }
      // Later entries may have been cancelled together with earlier ones.
      RunningActivity* found = real_.find(due.id);
      if (found == nullptr || found->state != State::running) continue;
      RunningActivity& a = *found;
      if (due.late_s > 0 || due.cause != Cause::none) report(a, due);
      if (due.cause == Cause::none) {
        ended_.push_back(&a);
      } else {
        fail(*a.task, real_.worker(a), due.cause);
      }
    }
  }

  void report(const RunningActivity& a, const ElasticClock::Due& due) {
    listener_.on_real({a.task->id, real_.worker(a), a.what().label, now() - a.start_s,
                       a.predicted_s, due.late_s, due.cause, due.detail});
  }

  // --- draining it ------------------------------------------------------------------------------

  void drain() {
    armed_ = false;
    // An instant stays one, as in a simulation, even if real results are still missing, also those
    // of what ends by timers here: the clock arms the timer again.
    take_ended_shared();
    if (real_.instant_goes_on()) return;
    timers_.run_due();  // SimGrid may run this drain between timers of equal dates
    if (stopping_) return;
    timers_.check_progress();
    executor_.end_shared();
    take_ended_shared();
    if (real_.instant_goes_on()) return;
    take_due();
    std::vector<RunningActivity*> ended = std::exchange(ended_, {});
    std::sort(ended.begin(), ended.end(), [](const RunningActivity* a, const RunningActivity* b) {
      return std::tuple(a->node, a->task->id, a->index) <
             std::tuple(b->node, b->task->id, b->index);
    });
    for (RunningActivity* a : ended) end_activity(*a);
    for (const auto& [node, present] : std::exchange(comings_, {})) {
      if (present) {
        emit({.kind = EventKind::node_joined, .node = node});
      } else {
        lose(node);
      }
    }
    start_waiting();
    executor_.drop_released();

    std::vector<Event> events = std::exchange(events_, {});
    if (!events.empty()) {
      std::sort(events.begin(), events.end(), comes_before);
      events.back().last = true;
      listener_.on_instant(events);
    }
    if (real_.any()) listener_.on_settled();
  }

  void lose(NodeId node) {
    emit({.kind = EventKind::node_lost, .node = node});
    const std::vector<RunningTask*> theirs = tasks_.of(node);  // a copy: tasks go meanwhile
    for (RunningTask* task : theirs) fail(*task, node, Cause::node_lost);
  }

  // --- activities -------------------------------------------------------------------------------

  void make_ready(RunningActivity& a) {
    a.state = State::waiting;
    a.ready_s = now();
    a.order = order_++;
    lanes_.join(a);
  }

  void start_waiting() {
    do {
      while (RunningActivity* a = lanes_.next()) start_if_it_fits(*a);
    } while (ends_a_wait_for_memory());
  }

  // True if there was one.
  bool ends_a_wait_for_memory() {
    const Admission::Verdict verdict = lanes_.next_verdict();
    if (verdict.request == nullptr) return false;
    if (verdict.answer == Admission::Answer::never) {
      fail_for_memory(*verdict.request);
    } else if (verdict.request->activity != nullptr) {
      lanes_.join(*verdict.request->activity);
    } else {
      begin_iteration(*verdict.request->task);
    }
    return true;
  }

  void start_if_it_fits(RunningActivity& a) {
    if (a.what().sized_late) {
      a.sized = std::make_unique<Activity>(listener_.size_of(a.task->id, a.what()));
      a.sized->sized_late = false;
    }
    const Admission::Answer room = lanes_.make_room(a);
    if (room == Admission::Answer::later) return;
    if (room == Admission::Answer::never) {
      fail_for_memory(*a.request);
      return;
    }
    a.state = State::running;
    a.start_s = now();
    lanes_.take(a);
    const NodeId worker = real_.worker(a);
    const bool is_timed = worker != no_node && real_.begin(a, worker, executor_.predicted_s(a));
    if (!is_timed) executor_.start(a);
  }

  void end_activity(RunningActivity& a) {
    RunningTask& task = *a.task;
    lanes_.give_back(a, true);
    const double energy = lanes_.charge(a, a.what().bytes);
    lanes_.count_bytes(a);
    executor_.release(a);
    a.state = State::ended;
    record(a, Cause::none, energy);
    real_.forget(a);
    if (task.report) {
      emit(
          {.kind = EventKind::activity_done, .node = a.node, .task = task.id, .activity = a.index});
    }
    for (const int next : task.graph->successors()[static_cast<std::size_t>(a.index)]) {
      RunningActivity& b = task.activities[static_cast<std::size_t>(next)];
      if (--b.blocked_by == 0) make_ready(b);
    }
    if (--task.left > 0) return;
    if (++task.iteration < task.graph->repeat()) {
      begin_iteration(task);
    } else {
      task_done(task);
    }
  }

  void record(const RunningActivity& a, Cause cause, double energy_j) {
    if (failure_) return;  // the listener has thrown
    listener_.on_activity(
        {a.task->id, a.index, a.task->iteration, &a.what(), a.node, a.peer, a.ready_s, a.start_s,
         now(), cause, a.real != 0 && a.measured, a.real != 0 ? a.predicted_s : -1, energy_j,
         a.no_room == no_node ? 0 : a.needed, a.request ? a.request->since : -1, a.moves()});
  }

  // --- tasks ------------------------------------------------------------------------------------

  void begin_iteration(RunningTask& task) {
    task.lay_out_activities();
    lanes_.begin_pass(task);
    if (task.activities.empty()) task_done(task);
    for (RunningActivity& a : task.activities) {
      if (a.blocked_by == 0) make_ready(a);
    }
  }

  // Each node of the task but the server, once also where it plays several roles.
  template <class Visit>
  static void for_each_worker(const RunningTask& task, Visit visit) {
    for (auto at = task.members.begin(); at != task.members.end(); ++at) {
      if (*at != server_node && std::find(task.members.begin(), at, *at) == at) visit(*at);
    }
  }

  void task_done(RunningTask& task) {
    if (task.members.size() == 1) {
      ++lanes_.counted(task.members.front()).tasks;
    } else {
      for_each_worker(task, [this](NodeId node) { ++lanes_.counted(node).tasks; });
    }
    const NodeId worker = task.members[static_cast<std::size_t>(task.worker)];
    emit({.kind = EventKind::task_done, .node = worker, .task = task.id});
    lanes_.release(task);
    tasks_.remove(task);
  }

  void fail_for_memory(const MemoryRequest& request) {
    fail(*request.task, request.where, Cause::out_of_memory, lanes_.lacking(request));
  }

  // Fails a task; the event names an activity under way on the node, else a waiting one.
  void fail(RunningTask& task, NodeId node, Cause cause, const Lacking& memory = {}) {
    for (const RunningActivity& a : task.activities) {
      const bool real = a.real != 0 && a.state == State::running;
      if (real && cause == Cause::node_lost) report(a, {.cause = cause});
    }
    Event event{.kind = EventKind::task_failed,
                .node = node,
                .task = task.id,
                .cause = cause,
                .needed = memory.needed,
                .free = memory.free,
                .capacity = memory.capacity};
    if (const RunningActivity* a = task.first_at(node)) {
      event.activity = a->index;
      event.finished = executor_.finished_share(*a);
    }
    emit(event);
    give_up(task, cause);
  }

  // Cancels a task's activities, without an event.
  void give_up(RunningTask& task, Cause cause) {
    if (cause != Cause::run_ended) {
      for_each_worker(task, [this](NodeId node) { ++lanes_.counted(node).tasks_failed; });
    }
    for (auto* ended : {&ended_, &ended_shared_}) {
      std::erase_if(*ended, [&](const RunningActivity* a) { return a->task == &task; });
    }
    real_.give_up(task, cause == Cause::run_ended);
    for (RunningActivity& a : task.activities) {
      double energy = 0;
      if (a.state == State::waiting) {
        lanes_.leave(a);
        lanes_.withdraw(a);
      } else if (a.state == State::running) {
        lanes_.give_back(a, false);
        const double share = a.peer == no_node ? 0 : executor_.finished_share(a);
        energy = lanes_.charge(a, share * a.what().bytes);
        executor_.cancel(a);
        real_.forget(a);
      } else {
        continue;
      }
      a.state = State::ended;
      record(a, cause, energy);
    }
    lanes_.release(task);
    tasks_.remove(task);
  }

  const WorldConfig config_;  // of which its parts make nodes when they first work
  WorldListener& listener_;
  Timers timers_;
  Executor executor_;
  Presence presence_;
  Lanes lanes_;

  NodeId node_count_;
  TaskTable tasks_;

  std::vector<RunningActivity*> ended_;
  std::vector<RunningActivity*> ended_shared_;  // of which the instant is not complete
  std::vector<std::pair<NodeId, bool>> comings_;
  std::vector<Event> events_;
  std::int64_t sequence_ = 0;
  std::uint64_t order_ = 0;
  bool armed_ = false;
  bool armed_behind_ = false;
  bool stopping_ = false;
  bool running_ = true;         // false after SimGrid's end
  std::exception_ptr failure_;  // thrown by the listener
  RealActivities real_;         // last: its clock is released first
};

World::World(const WorldConfig& config, WorldListener& listener, RealBackend* real) {
  static bool used = false;
  if (std::exchange(used, true)) throw std::logic_error("a second World in one process");
  impl_ = std::make_unique<Impl>(config, listener, real);
}
World::~World() = default;
void World::run() { impl_->run(); }
void World::stop() { impl_->stop(); }
double World::now() const { return impl_->now(); }
void World::start(TaskId task, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
                  bool report, int worker, WhenFull when_full) {
  impl_->start(task, std::move(graph), std::move(members), report, worker, when_full);
}
void World::cancel(TaskId task) { impl_->cancel(task); }
void World::set_timer(std::int64_t timer, double time) { impl_->set_timer(timer, time); }
void World::cancel_timer(std::int64_t timer) { impl_->cancel_timer(timer); }
bool World::present(NodeId node) const { return impl_->present(node); }
bool World::expected(NodeId node) const { return impl_->expected(node); }
std::size_t World::tasks() const { return impl_->tasks(); }
std::vector<UnderWay> World::under_way() const { return impl_->under_way(); }
NodeUsage World::usage(NodeId node) const { return impl_->usage(node); }
double World::energy_j(NodeId node) const { return impl_->energy_j(node); }
double World::memory_taken(NodeId node) const { return impl_->memory_taken(node); }
std::size_t World::nodes_made() const { return impl_->nodes_made(); }
std::size_t World::hosts() const { return impl_->hosts(); }
double World::max_lag_s() const { return impl_->max_lag_s(); }
std::string World::description() const { return impl_->description(); }

}  // namespace convoy::sim
