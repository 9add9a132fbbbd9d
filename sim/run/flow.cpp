#include "sim/run/flow.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <unordered_map>

namespace convoy::sim {
namespace {

struct Step;

// What a compute has made, or was given at the start.
struct Slot {
  engine::Input value;
  std::weak_ptr<Step> maker = {};   // nothing: it is done
  bool is_missing = false;          // its maker was left out, or has failed
  std::exception_ptr failure = {};  // why it failed
};

// A session with its computes one after another.
struct Steps {
  engine::TaskInput input;
  std::unique_ptr<engine::Session> session;  // opened by its first compute
  std::exception_ptr failure;  // what it threw, or what something threw that it needed
  std::weak_ptr<Step> last;    // the latest one; nothing: it is done
};

// A task with its own sessions.
struct Member {
  TaskComputation task;
  std::vector<std::shared_ptr<Steps>> sessions;  // by role; the shared one among them, if any
  std::shared_ptr<Steps> own;                    // the worker's
  bool shares = false;
  // By artifact: the one that it is a copy of, and the inputs of computes that are this one.
  std::vector<int> source;
  std::vector<int> uses;
  std::vector<std::shared_ptr<Slot>> slots;  // by artifact, of this pass
  std::vector<int> uses_left;
  int left = 0;           // activities of this pass that have not ended
  std::int64_t done = 0;  // computes
  std::int64_t all = 0;   // of all passes
  int pending = 0;        // computes that have ended in the world and are not done
  // Given up: computes of its own up to this number are needed, by the shared session.
  std::int64_t needed = std::numeric_limits<std::int64_t>::max();
  std::int64_t last_shared = -1;
  std::shared_ptr<Slot> result;
  bool is_finite_there = true;  // the result, where another session than the worker's made it
  engine::Outcome outcome;      // of a worker with the shared session, after its last compute
};

struct Step {
  std::int64_t number = 0;
  std::shared_ptr<Member> of;
  std::shared_ptr<Steps> session;
  const Activity* what = nullptr;  // of the member's graph
  std::vector<std::shared_ptr<Slot>> inputs;
  std::shared_ptr<Slot> output;
  int waits_for = 0;
  std::vector<std::shared_ptr<Step>> then;
};

bool is_work(const Activity& a) {
  return a.kind == ActivityKind::compute && !engine::is_nothing(a.work);
}

// By artifact: whose value it has. Transfers, and computes that only take time, make copies.
std::vector<int> sources(const TaskGraph& graph) {
  std::vector<int> source(graph.artifacts().size());
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<int>(i);
  for (const Activity& a : graph.activities()) {
    if (is_work(a) || a.inputs.empty()) continue;
    source[static_cast<std::size_t>(a.outputs.front())] =
        source[static_cast<std::size_t>(a.inputs.front())];
  }
  return source;
}

std::vector<int> uses(const TaskGraph& graph, const std::vector<int>& source) {
  std::vector<int> uses(source.size());
  for (const Activity& a : graph.activities()) {
    if (!is_work(a)) continue;
    for (const int input : a.inputs) {
      ++uses[static_cast<std::size_t>(source[static_cast<std::size_t>(input)])];
    }
  }
  return uses;
}

void check(TaskId id, const TaskComputation& task, int shared_role) {
  const bool shares = shared_role != Flow::no_role;
  const auto fail = [&](const char* what) {
    throw std::logic_error(fmt::format(
        "task {} {}, and {}", id, shares ? "shares a session" : "is computed as it ends", what));
  };
  if (!task.given.empty()) fail("takes the results of others");
  for (const Activity& a : task.graph->activities()) {
    if (a.sized_late) fail("some of its sizes follow from what it learns");
    if (shares && is_work(a) && a.at != shared_role && a.at != task.worker) {
      fail("some work is of a role that is neither its worker's nor that of the session");
    }
  }
}

}  // namespace

class Flow::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(std::shared_ptr<const engine::Engine> engine, WorkerPool& pool,
       std::optional<engine::TaskInput> shared)
      : engine_(std::move(engine)), pool_(pool) {
    if (!shared) return;
    shared_ = std::make_shared<Steps>();
    shared_->input = std::move(*shared);
  }

  void begin(TaskId id, TaskComputation task, int shared_role) {
    check(id, task, shared_role);
    auto member = std::make_shared<Member>();
    member->task = std::move(task);
    member->shares = shared_role != no_role;
    const TaskGraph& graph = *member->task.graph;
    for (int role = 0; role < graph.roles(); ++role) {
      auto& session = member->sessions.emplace_back(shared_);
      if (role == shared_role) continue;
      session = std::make_shared<Steps>();
      session->input = member->task.inputs[static_cast<std::size_t>(role)];
    }
    member->own = member->sessions[static_cast<std::size_t>(member->task.worker)];
    member->source = sources(graph);
    member->uses = uses(graph, member->source);
    for (const Activity& a : graph.activities()) member->all += is_work(a) ? graph.repeat() : 0;
    members_.emplace(id, std::move(member));
  }

  void ended(TaskId id, int activity) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    Member& member = *found->second;
    if (member.left == 0) begin_pass(member);
    --member.left;
    const Activity& a = member.task.graph->activities()[static_cast<std::size_t>(activity)];
    if (is_work(a)) add(found->second, a);
    if (member.left == 0) end_pass(member);
  }

  [[nodiscard]] bool wait_for(TaskId id, std::chrono::milliseconds time) const {
    const Member& member = *members_.at(id);
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, time, [&] { return member.pending == 0; });
  }

  engine::Outcome take(TaskId id) {
    const auto member = std::move(members_.extract(id).mapped());
    const std::lock_guard lock(mutex_);  // what the pool's threads have written is seen
    if (member->own->failure) std::rethrow_exception(member->own->failure);
    for (const auto& session : member->sessions) {
      if (!member->shares && session->failure) std::rethrow_exception(session->failure);
    }
    if (!member->own->session) {
      throw std::logic_error(fmt::format("task {} ends, and its worker has computed nothing", id));
    }
    engine::Outcome outcome =
        member->own == shared_ ? std::move(member->outcome) : member->own->session->outcome();
    outcome.result = member->result ? member->result->value.artifact : nullptr;
    outcome.finite = outcome.finite && member->is_finite_there;
    return outcome;
  }

  void give_up(TaskId id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    const std::lock_guard lock(mutex_);
    found->second->needed = found->second->last_shared;
    members_.erase(found);
  }

  [[nodiscard]] double share_done(TaskId id) const {
    const std::lock_guard lock(mutex_);
    const Member& member = *members_.at(id);
    return member.all == 0 ? 1 : static_cast<double>(member.done) / static_cast<double>(member.all);
  }

  // What waits is not computed. Taken apart one by one: each step holds the next, and freeing a
  // long chain by its first would take as many frames of the stack.
  void close() {
    stop_.request_stop();
    const std::lock_guard lock(mutex_);
    for (const auto& [number, step] : open_) step->then.clear();
    open_.clear();
  }

 private:
  static void begin_pass(Member& member) {
    const TaskGraph& graph = *member.task.graph;
    member.left = static_cast<int>(graph.activities().size());
    member.slots.assign(graph.artifacts().size(), nullptr);
    member.uses_left = member.uses;
    const auto& worker = member.task.inputs[static_cast<std::size_t>(member.task.worker)];
    for (const int first : graph.first_artifacts()) {
      member.slots[static_cast<std::size_t>(first)] =
          std::make_shared<Slot>(Slot{{worker.received, {}}});
    }
  }

  static void end_pass(Member& member) {
    if (member.task.result < 0) return;
    const int source = member.source[static_cast<std::size_t>(member.task.result)];
    member.result = member.slots[static_cast<std::size_t>(source)];
    member.slots.clear();
  }

  // Lets go of artifacts that no later compute of the pass takes.
  static std::shared_ptr<Slot> input(Member& member, int artifact) {
    const auto source = static_cast<std::size_t>(member.source[static_cast<std::size_t>(artifact)]);
    std::shared_ptr<Slot>& there = member.slots[source];
    if (!there) there = std::make_shared<Slot>();  // of a compute without work
    std::shared_ptr<Slot> slot = there;
    const int result =
        member.task.result < 0 ? -1 : member.source[static_cast<std::size_t>(member.task.result)];
    if (--member.uses_left[source] == 0 && static_cast<int>(source) != result) {
      there.reset();
    }
    return slot;
  }

  void add(const std::shared_ptr<Member>& member, const Activity& a) {
    auto step = std::make_shared<Step>();
    step->number = next_++;
    step->of = member;
    step->session = member->sessions[static_cast<std::size_t>(a.at)];
    step->what = &a;
    for (const int artifact : a.inputs) step->inputs.push_back(input(*member, artifact));
    step->output = std::make_shared<Slot>();
    step->output->maker = step;
    member->slots[static_cast<std::size_t>(a.outputs.front())] = step->output;
    const std::lock_guard lock(mutex_);
    if (step->session == shared_) member->last_shared = step->number;
    ++member->pending;
    const auto wait = [&](const std::shared_ptr<Step>& before) {
      if (!before) return;
      ++step->waits_for;
      before->then.push_back(step);
    };
    wait(step->session->last.lock());
    for (const auto& slot : step->inputs) wait(slot->maker.lock());
    step->session->last = step;
    open_.emplace(step->number, step);
    if (step->waits_for == 0) submit(std::move(step));
  }

  // The flow's computes come before whole tasks: the simulation is to wait for few of them only.
  void submit(std::shared_ptr<Step> step) {
    pool_.submit<bool>(
        std::numeric_limits<double>::infinity(),
        [self = shared_from_this(), step = std::move(step)](std::stop_token closing) {
          const std::stop_callback stop(std::move(closing), [&] { self->stop_.request_stop(); });
          self->run(step);
          return true;
        });
  }

  void run(const std::shared_ptr<Step>& step) {
    bool is_needed = true;
    {
      const std::lock_guard lock(mutex_);
      is_needed = step->number <= step->of->needed || step->session == shared_;
    }
    if (is_needed) compute(*step);
    step->output->is_missing = !is_needed || step->session->failure;
    step->output->failure = step->session->failure;
    finish(step);
  }

  void compute(Step& step) {
    Steps& steps = *step.session;
    try {
      std::vector<engine::Input> inputs;
      for (const auto& slot : step.inputs) {
        inputs.push_back(slot->value);
        if (slot->is_missing && !steps.failure) steps.failure = failure_of(*slot);
      }
      if (steps.failure) return;
      if (!steps.session) steps.session = engine_->open(steps.input, stop_.get_token());
      step.output->value = {steps.session->run(step.what->work, inputs), {}};
      if (step.of->own == shared_) {
        note_outcome(step);
      } else if (step.session != step.of->own && makes_result(step)) {
        step.of->is_finite_there = steps.session->outcome().finite;
      }
    } catch (...) {
      steps.failure = std::current_exception();
    }
  }

  static bool makes_result(const Step& step) {
    const Member& member = *step.of;
    const int result = member.task.result;
    return result >= 0 &&
           step.what->outputs.front() == member.source[static_cast<std::size_t>(result)];
  }

  // Of whoever was to make what a compute needs.
  static std::exception_ptr failure_of(const Slot& slot) {
    if (slot.failure) return slot.failure;
    return std::make_exception_ptr(std::logic_error("a compute lacks what another was to make"));
  }

  // Of a task whose worker has the shared session: what others compute in it later is not its.
  static void note_outcome(const Step& step) {
    engine::Outcome outcome = step.session->session->outcome();
    outcome.state.reset();  // the session's, and it ends with the group
    step.of->outcome = std::move(outcome);
  }

  void finish(const std::shared_ptr<Step>& step) {
    std::vector<std::shared_ptr<Step>> ready;
    {
      const std::lock_guard lock(mutex_);
      step->output->maker.reset();
      if (step->session->last.lock() == step) step->session->last.reset();
      for (std::shared_ptr<Step>& next : step->then) {
        if (--next->waits_for == 0) ready.push_back(std::move(next));
      }
      step->then.clear();
      step->inputs.clear();
      open_.erase(step->number);
      ++step->of->done;
      --step->of->pending;
    }
    done_.notify_all();
    for (std::shared_ptr<Step>& next : ready) submit(std::move(next));
  }

  std::shared_ptr<const engine::Engine> engine_;
  WorkerPool& pool_;
  std::shared_ptr<Steps> shared_;
  std::unordered_map<TaskId, std::shared_ptr<Member>> members_;
  std::int64_t next_ = 0;                                         // number of the next compute
  std::unordered_map<std::int64_t, std::shared_ptr<Step>> open_;  // computes that are not done
  std::stop_source stop_;
  // Protects what the simulation and the pool's threads both use: makers, last computes, counts.
  mutable std::mutex mutex_;
  mutable std::condition_variable done_;
};

Flow::Flow(std::shared_ptr<const engine::Engine> engine, WorkerPool& pool,
           std::optional<engine::TaskInput> shared)
    : impl_(std::make_shared<Impl>(std::move(engine), pool, std::move(shared))) {}
Flow::~Flow() { impl_->close(); }

void Flow::begin(TaskId id, TaskComputation task, int shared_role) {
  impl_->begin(id, std::move(task), shared_role);
}
void Flow::ended(TaskId id, int activity) { impl_->ended(id, activity); }
bool Flow::wait_for(TaskId id, std::chrono::milliseconds time) const {
  return impl_->wait_for(id, time);
}
engine::Outcome Flow::take(TaskId id) { return impl_->take(id); }
void Flow::give_up(TaskId id) { impl_->give_up(id); }
double Flow::share_done(TaskId id) const { return impl_->share_done(id); }

}  // namespace convoy::sim
