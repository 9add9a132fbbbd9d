#include "sim/world/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <simgrid/kernel/Timer.hpp>
#include <simgrid/s4u.hpp>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "base/random.hpp"
#include "sim/world/platform.hpp"
#include "sim/world/presence.hpp"

namespace convoy::sim {
namespace sg = simgrid::s4u;
using simgrid::kernel::timer::Timer;
namespace {

struct RunningTask;

struct RunningActivity {
  enum class State { blocked, waiting, running, ended };

  RunningTask* task = nullptr;
  int index = 0;
  State state = State::blocked;
  NodeId node = no_node;
  NodeId peer = no_node;
  int blocked_by = 0;       // activities that it waits for
  std::uint64_t order = 0;  // in which it became ready
  double ready_s = 0;
  double start_s = -1;
  sg::ActivityPtr handle;  // SimGrid keeps a raw pointer to it until after its completion
};

struct RunningTask {
  TaskId id = no_task;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;
  std::vector<RunningActivity> activities;
  int iteration = 0;
  int left = 0;  // activities of this iteration that have not ended
  bool report = false;
};

struct Node {
  int computing = 0;
  int sending = 0;
  int receiving = 0;
  int transfer_limit = 1;  // 0: none
  double memory = 0;       // 0: no limit
  double memory_used = 0;
  double slowdown = 1;
  double jitter = 0;
  double since = 0;                       // usage is accounted for up to here
  std::vector<RunningActivity*> waiting;  // for a lane
  std::vector<RunningTask*> tasks;        // not kept for the server
  NodeUsage usage;
};

// A timer that must come after all activities that end at its date is set a hair later: at one
// instant SimGrid runs timers first, and sums of the same durations differ in their last bits.
double after(double time) {
  return time + 1e-12 * std::max(1.0, time);
}

// More instants than this without the clock moving is a schedule that goes round in circles.
constexpr int stuck_limit = 100'000;

const Activity& activity_of(const RunningActivity& a) {
  return a.task->graph->activities()[static_cast<std::size_t>(a.index)];
}

}  // namespace

class World::Impl {
 public:
  Impl(const WorldConfig& config, WorldListener& listener)
      : listener_(listener),
        seed_(config.seed),
        platform_(config, [this](double time, auto call) { at(time, std::move(call)); }),
        presence_(
            config, [this](double time, auto call) { at(after(time), std::move(call)); },
            [this](NodeId node, bool present) { presence_changed(node, present); }),
        epoch_(sg::Engine::get_clock()) {
    static bool used = false;
    if (std::exchange(used, true)) throw std::logic_error("a second World in one process");
    nodes_.resize(config.nodes.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].transfer_limit = config.nodes[i].concurrent_transfers;
      nodes_[i].memory = config.nodes[i].memory;
      nodes_[i].slowdown = config.nodes[i].behaviour.slowdown;
      nodes_[i].jitter = config.nodes[i].behaviour.jitter;
    }
    sg::Activity::on_completion_cb([this](const sg::Activity& a) {
      if (auto* ended = a.get_data<RunningActivity>()) {
        ended_.push_back(ended);
        arm();
      }
    });
  }

  void run() {
    presence_.start();
    emit({.kind = EventKind::run_started});
    for (NodeId id = 0; id < static_cast<NodeId>(nodes_.size()); ++id) {
      if (!presence_.present(id)) emit({.kind = EventKind::node_lost, .node = id});
    }
    platform_.engine().run();
  }

  void stop() {
    if (stopping_) return;
    stopping_ = true;
    std::vector<TaskId> ids;
    for (const auto& [id, task] : tasks_) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    for (const TaskId id : ids) give_up(*tasks_.at(id), Cause::run_ended);
    for (Timer* timer : timers_) timer->remove();
    timers_.clear();
    events_.clear();
  }

  [[nodiscard]] double now() const { return sg::Engine::get_clock() - epoch_; }

  void start(TaskId id, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
             bool report) {
    RunningTask* task = new_task();
    task->id = id;
    task->graph = std::move(graph);
    task->members = std::move(members);
    task->report = report;
    task->iteration = 0;
    tasks_.emplace(id, task);
    for (const NodeId member : task->members) {
      if (member != server_node) node(member).tasks.push_back(task);
    }
    const auto away = std::find_if(task->members.begin(), task->members.end(),
                                   [this](NodeId m) { return !presence_.present(m); });
    if (away != task->members.end()) {
      emit({.kind = EventKind::task_failed, .node = *away, .task = id, .cause = Cause::node_lost});
      end_task(*task);
      return;
    }
    begin_iteration(*task);
    pump();
  }

  void cancel(TaskId id) {
    const auto there = tasks_.find(id);
    if (there == tasks_.end()) return;
    give_up(*there->second, Cause::cancelled);
    pump();
  }

  void set_timer(std::int64_t timer, double time) {
    at(after(std::max(time, now())),
       [this, timer] { emit({.kind = EventKind::timer_fired, .timer = timer}); });
  }

  [[nodiscard]] bool present(NodeId id) const { return presence_.present(id); }
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }
  [[nodiscard]] std::string description() const { return platform_.description(); }

  NodeUsage usage(NodeId id) {
    account(id);
    return node(id).usage;
  }

 private:
  // --- time -------------------------------------------------------------------------------------

  void at(double time, std::function<void()> call) {
    if (stopping_ || std::isinf(time)) return;
    // The timer is not known before it is set, and set before it can be taken down.
    auto self = std::make_shared<Timer*>(nullptr);
    *self = Timer::set(time + epoch_, [this, self, call = std::move(call)] {
      timers_.erase(*self);
      call();
    });
    timers_.insert(*self);
  }

  // Has everything of this instant gathered and given to the listener.
  void arm() {
    if (armed_ || stopping_) return;
    armed_ = true;
    Timer::set(sg::Engine::get_clock(), [this] { drain(); });
  }

  void emit(Event event) {
    event.time = now();
    event.sequence = sequence_++;
    events_.push_back(event);
    arm();
  }

  void drain() {
    armed_ = false;
    if (stopping_) return;
    check_progress();
    std::erase_if(given_up_, [this](const auto& old) { return old.first < now(); });

    std::vector<RunningActivity*> ended;
    ended.swap(ended_);
    std::sort(ended.begin(), ended.end(), [](const RunningActivity* a, const RunningActivity* b) {
      return std::tuple(a->node, a->task->id, a->index) <
             std::tuple(b->node, b->task->id, b->index);
    });
    for (RunningActivity* a : ended) {
      if (a->state == RunningActivity::State::running) activity_ended(*a);
    }
    for (const auto& [id, is_present] : std::exchange(presence_changes_, {})) {
      if (is_present) {
        emit({.kind = EventKind::node_joined, .node = id});
      } else {
        lose(id);
      }
    }
    pump();
    retired_.clear();

    std::vector<Event> events;
    events.swap(events_);
    if (events.empty()) return;
    std::sort(events.begin(), events.end(), comes_before);
    events.back().last = true;
    listener_.on_instant(events);
  }

  void check_progress() {
    if (now() > last_instant_) {
      last_instant_ = now();
      instants_here_ = 0;
    } else if (++instants_here_ > stuck_limit) {
      throw std::runtime_error(
          fmt::format("virtual time stands still at {} s: {} times in a row something happened "
                      "without taking any time; is there a cost of zero in the scenario?",
                      now(), stuck_limit));
    }
  }

  // --- nodes ------------------------------------------------------------------------------------

  Node& node(NodeId id) { return nodes_[static_cast<std::size_t>(id)]; }

  void account(NodeId id) {
    Node& n = node(id);
    const double passed = now() - n.since;
    n.since = now();
    const bool transfers = n.sending > 0 || n.receiving > 0;
    if (n.computing > 0) n.usage.busy_s += passed;
    if (transfers) n.usage.communicating_s += passed;
    if (n.computing > 0 || transfers) n.usage.active_s += passed;
    if (!presence_.present(id)) n.usage.away_s += passed;
  }

  void presence_changed(NodeId id, bool is_present) {
    // The time until now was spent in the other state.
    Node& n = node(id);
    const double passed = now() - n.since;
    account(id);
    n.usage.away_s += is_present ? passed : -passed;
    presence_changes_.emplace_back(id, is_present);
    arm();
  }

  void lose(NodeId id) {
    emit({.kind = EventKind::node_lost, .node = id});
    const std::vector<RunningTask*> theirs = node(id).tasks;
    for (RunningTask* task : theirs) fail(*task, id, Cause::node_lost);
  }

  // --- tasks ------------------------------------------------------------------------------------

  RunningTask* new_task() {
    if (free_tasks_.empty()) return &task_store_.emplace_back();
    RunningTask* task = free_tasks_.back();
    free_tasks_.pop_back();
    return task;
  }

  void begin_iteration(RunningTask& task) {
    const auto& activities = task.graph->activities();
    task.left = static_cast<int>(activities.size());
    task.activities.clear();
    task.activities.resize(activities.size());
    for (std::size_t i = 0; i < activities.size(); ++i) {
      RunningActivity& a = task.activities[i];
      a.task = &task;
      a.index = static_cast<int>(i);
      a.node = task.members[static_cast<std::size_t>(activities[i].at)];
      a.peer = activities[i].kind == ActivityKind::transfer
                   ? task.members[static_cast<std::size_t>(activities[i].to)]
                   : no_node;
      a.blocked_by = task.graph->waits_for()[i];
    }
    if (activities.empty()) {
      task_done(task);
      return;
    }
    for (RunningActivity& a : task.activities) {
      if (a.blocked_by == 0) make_ready(a);
    }
  }

  void task_done(RunningTask& task) {
    for (const NodeId member : task.members) {
      if (member != server_node || task.members.size() == 1) ++node(member).usage.tasks;
    }
    emit({.kind = EventKind::task_done, .node = task.members.back(), .task = task.id});
    end_task(task);
  }

  void fail(RunningTask& task, NodeId where, Cause cause) {
    Event event{.kind = EventKind::task_failed, .node = where, .task = task.id, .cause = cause};
    for (const RunningActivity& a : task.activities) {
      const bool here = a.node == where || a.peer == where;
      if (here && a.state == RunningActivity::State::running) {
        event.activity = a.index;
        event.finished = finished_share(a);
        break;
      }
      if (here && event.activity < 0 && a.state == RunningActivity::State::waiting) {
        event.activity = a.index;
      }
    }
    ++node(where).usage.tasks_failed;
    emit(event);
    give_up(task, cause);
  }

  static double finished_share(const RunningActivity& a) {
    const Activity& what = activity_of(a);
    if (!a.handle || what.kind == ActivityKind::compute) {
      auto* exec = dynamic_cast<sg::Exec*>(a.handle.get());
      return exec == nullptr ? 0 : 1 - exec->get_remaining_ratio();
    }
    return what.bytes > 0 ? 1 - a.handle->get_remaining() / what.bytes : 0;
  }

  // Ends what is under way of a task, without an event.
  void give_up(RunningTask& task, Cause cause) {
    std::erase_if(ended_, [&](const RunningActivity* a) { return a->task == &task; });
    for (RunningActivity& a : task.activities) {
      if (a.state == RunningActivity::State::waiting) leave_queues(a);
      const bool was_running = a.state == RunningActivity::State::running;
      if (was_running) free_lanes(a);
      if (was_running || a.state == RunningActivity::State::waiting) {
        a.state = RunningActivity::State::ended;
        record(a, cause);
      }
      if (was_running && a.handle) {
        a.handle->set_data(nullptr);
        a.handle->cancel();
        given_up_.emplace_back(now(), std::move(a.handle));
      }
    }
    end_task(task);
  }

  void end_task(RunningTask& task) {
    for (const NodeId member : task.members) {
      if (member != server_node) std::erase(node(member).tasks, &task);
    }
    tasks_.erase(task.id);
    // Handles that completed are released in a later timer than their completion.
    for (RunningActivity& a : task.activities) {
      if (a.handle) retired_.push_back(std::move(a.handle));
    }
    task.graph.reset();
    task.activities.clear();
    free_tasks_.push_back(&task);
  }

  // --- activities -------------------------------------------------------------------------------

  void make_ready(RunningActivity& a) {
    a.state = RunningActivity::State::waiting;
    a.ready_s = now();
    a.order = order_++;
    const auto join = [&](NodeId id) {
      auto& queue = node(id).waiting;
      const auto place = std::upper_bound(queue.begin(), queue.end(), &a,
                                          [](const RunningActivity* x, const RunningActivity* y) {
                                            return std::pair(activity_of(*x).priority, x->order) <
                                                   std::pair(activity_of(*y).priority, y->order);
                                          });
      queue.insert(place, &a);
      touched_.push_back(id);
    };
    // A transfer waits with its worker; with the other end too where that one's lanes are few.
    if (a.peer == no_node || a.peer == a.node) {
      join(a.node);
    } else {
      if (node(a.node).transfer_limit > 0) join(a.node);
      if (node(a.peer).transfer_limit > 0) join(a.peer);
      if (node(a.node).transfer_limit == 0 && node(a.peer).transfer_limit == 0) join(a.node);
    }
  }

  void leave_queues(RunningActivity& a) {
    std::erase(node(a.node).waiting, &a);
    if (a.peer != no_node) std::erase(node(a.peer).waiting, &a);
  }

  // Starts what can be started on the nodes where something changed.
  void pump() {
    while (!touched_.empty()) {
      const NodeId id = touched_.back();
      touched_.pop_back();
      auto& queue = node(id).waiting;
      for (std::size_t i = 0; i < queue.size();) {
        RunningActivity* a = queue[i];
        if (!lanes_free(*a)) {
          ++i;
          continue;
        }
        leave_queues(*a);
        if (!begin(*a)) i = 0;  // its task failed: the queue may be another
      }
    }
  }

  bool lanes_free(const RunningActivity& a) {
    if (a.peer == no_node) return node(a.node).computing == 0;
    if (a.peer == a.node) return true;
    const Node& from = node(a.node);
    const Node& to = node(a.peer);
    return (from.transfer_limit == 0 || from.sending < from.transfer_limit) &&
           (to.transfer_limit == 0 || to.receiving < to.transfer_limit);
  }

  // False where there is not the memory for it; its task has then failed.
  bool begin(RunningActivity& a) {
    const Activity& what = activity_of(a);
    Node& n = node(a.node);
    if (what.memory > 0) {
      if (n.memory > 0 && n.memory_used + what.memory > n.memory) {
        fail(*a.task, a.node, Cause::out_of_memory);
        return false;
      }
      n.memory_used += what.memory;
      n.usage.peak_memory = std::max(n.usage.peak_memory, n.memory_used);
    }
    a.state = RunningActivity::State::running;
    a.start_s = now();
    account(a.node);
    if (what.kind == ActivityKind::compute) {
      ++n.computing;
      begin_compute(a);
    } else {
      ++n.sending;
      if (a.peer != a.node) account(a.peer);
      ++node(a.peer).receiving;
      begin_transfer(a);
    }
    return true;
  }

  void begin_compute(RunningActivity& a) {
    const Node& n = node(a.node);
    double seconds = activity_of(a).seconds * n.slowdown;
    if (n.jitter > 0) {
      base::Random random(
          {seed_, static_cast<std::uint64_t>(a.node), static_cast<std::uint64_t>(a.task->id),
           static_cast<std::uint64_t>(a.index), static_cast<std::uint64_t>(a.task->iteration)});
      seconds *= std::exp(n.jitter * random.normal());
    }
    if (seconds <= 0) {
      end_at_once(a);
      return;
    }
    platform_.compute_begins(a.node, [this, id = a.node](double speed) {
      emit({.kind = EventKind::node_changed, .node = id, .speed = speed});
    });
    sg::ExecPtr exec = sg::Exec::init();
    exec->set_flops_amount(seconds * units_per_second);
    exec->set_host(platform_.host(a.node));
    launch(a, std::move(exec));
  }

  void begin_transfer(RunningActivity& a) {
    if (a.peer == a.node) {
      end_at_once(a);
      return;
    }
    platform_.transfer_begins(a.node, a.peer);
    const double wait = platform_.left_out_latency(a.node, a.peer);
    if (wait <= 0) {
      begin_comm(a);
      return;
    }
    const TaskId id = a.task->id;
    const int iteration = a.task->iteration;
    at(now() + wait, [this, id, iteration, index = a.index] {
      const auto there = tasks_.find(id);  // it may have been given up, or even begun anew
      if (there == tasks_.end() || there->second->iteration != iteration) return;
      RunningActivity& self = there->second->activities[static_cast<std::size_t>(index)];
      if (self.state == RunningActivity::State::running && !self.handle) begin_comm(self);
    });
  }

  void begin_comm(RunningActivity& a) {
    sg::CommPtr comm = sg::Comm::sendto_init(platform_.host(a.node), platform_.host(a.peer));
    // SimGrid counts whole bytes.
    comm->set_payload_size(static_cast<std::uint64_t>(std::llround(activity_of(a).bytes)));
    launch(a, std::move(comm));
  }

  template <class Ptr>
  void launch(RunningActivity& a, Ptr activity) {
    activity->set_data(&a);
    a.handle = activity;
    activity->vetoable_start();
  }

  void end_at_once(RunningActivity& a) {
    ended_.push_back(&a);
    arm();
  }

  void free_lanes(RunningActivity& a) {
    const Activity& what = activity_of(a);
    Node& n = node(a.node);
    account(a.node);
    if (what.kind == ActivityKind::compute) {
      --n.computing;
      platform_.compute_ends(a.node);
    } else {
      --n.sending;
      if (a.peer != a.node) {
        account(a.peer);
        platform_.transfer_ends(a.node, a.peer);
      }
      --node(a.peer).receiving;
      touched_.push_back(a.peer);
    }
    n.memory_used -= what.memory;
    if (n.memory_used < 1) n.memory_used = 0;  // rounding must not pile up
    touched_.push_back(a.node);
  }

  void activity_ended(RunningActivity& a) {
    RunningTask& task = *a.task;
    const Activity& what = activity_of(a);
    free_lanes(a);
    if (what.kind == ActivityKind::transfer && a.peer != a.node) {
      node(a.node).usage.bytes_out += what.bytes;
      node(a.peer).usage.bytes_in += what.bytes;
    }
    a.state = RunningActivity::State::ended;
    record(a, Cause::none);
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
      for (RunningActivity& old : task.activities) {
        if (old.handle) retired_.push_back(std::move(old.handle));
      }
      begin_iteration(task);
    } else {
      task_done(task);
    }
  }

  void record(const RunningActivity& a, Cause cause) {
    listener_.on_activity({a.task->id, a.index, a.task->iteration, &activity_of(a), a.node, a.peer,
                           a.ready_s, a.start_s, now(), cause});
  }

  WorldListener& listener_;
  std::uint64_t seed_;
  Platform platform_;
  Presence presence_;
  double epoch_;  // SimGrid's clock at the beginning

  std::vector<Node> nodes_;
  std::unordered_map<TaskId, RunningTask*> tasks_;
  std::deque<RunningTask> task_store_;
  std::vector<RunningTask*> free_tasks_;

  std::vector<RunningActivity*> ended_;  // completed at this instant, not yet drained
  std::vector<std::pair<NodeId, bool>> presence_changes_;
  std::vector<Event> events_;
  std::vector<NodeId> touched_;
  std::vector<sg::ActivityPtr> retired_;                      // to be released in a later timer
  std::vector<std::pair<double, sg::ActivityPtr>> given_up_;  // to be released at a later instant
  std::unordered_set<Timer*> timers_;
  std::int64_t sequence_ = 0;
  std::uint64_t order_ = 0;
  double last_instant_ = -1;
  int instants_here_ = 0;
  bool armed_ = false;
  bool stopping_ = false;
};

World::World(const WorldConfig& config, WorldListener& listener)
    : impl_(std::make_unique<Impl>(config, listener)) {}
World::~World() = default;
void World::run() {
  impl_->run();
}
void World::stop() {
  impl_->stop();
}
double World::now() const {
  return impl_->now();
}
void World::start(TaskId task, std::shared_ptr<const TaskGraph> graph, std::vector<NodeId> members,
                  bool report) {
  impl_->start(task, std::move(graph), std::move(members), report);
}
void World::cancel(TaskId task) {
  impl_->cancel(task);
}
void World::set_timer(std::int64_t timer, double time) {
  impl_->set_timer(timer, time);
}
bool World::present(NodeId node) const {
  return impl_->present(node);
}
std::size_t World::tasks() const {
  return impl_->tasks();
}
NodeUsage World::usage(NodeId node) const {
  return impl_->usage(node);
}
std::string World::description() const {
  return impl_->description();
}

}  // namespace convoy::sim
