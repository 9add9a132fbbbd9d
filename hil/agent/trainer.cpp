#include "hil/agent/trainer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/text.hpp"
#include "hil/agent/memory_limit.hpp"
#include "hil/protocol/connection.hpp"

namespace convoy::hil {
namespace {

template <class Said>
Said said(const wire::BeginT& begin) {
  Said s;
  s.task = begin.task;
  s.attempt = begin.attempt;
  s.activity = begin.activity;
  s.iteration = begin.iteration;
  return s;
}

}  // namespace

Trainer::Trainer(TrainerOptions options, TrainerEvents events)
    : options_(std::move(options)), events_(std::move(events)), folder_(options_.state) {
  limit_memory(options_.max_memory_bytes);
  read_kept();
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

Trainer::~Trainer() {
  {
    const std::lock_guard lock(mutex_);
    tasks_.stop_all();
  }
  thread_.request_stop();
  wake_.notify_all();
}

// --- from any thread ----------------------------------------------------------------------------

void Trainer::set_up(const std::string& run, int node, const wire::SetupT& setup) {
  {
    const std::lock_guard lock(mutex_);
    // Answers a reconnection without waiting for training.
    if (is_ready_again(run, node)) return;
    queue_.emplace_front(
        std::function<void()>([this, run, node, setup] { do_set_up(run, node, setup); }));
  }
  wake_.notify_all();
}

bool Trainer::is_ready_again(const std::string& run, int node) const {
  if (!node_engine_.engine || run_ != run || node_ != node) return false;
  events_.ready(node_engine_.samples);
  return true;
}

void Trainer::assign(const wire::AssignT& assign) {
  if (assign.version < 0) throw ProtocolError("an assignment that nobody could carry out");
  engine::TaskBrief brief;
  try {
    brief = engine::read_brief(assign.brief, "the coordinator's assignment");
  } catch (const base::UserError& e) {
    throw ProtocolError(base::first_line(e.what()));
  }
  const std::lock_guard lock(mutex_);
  if (tasks_.find(assign.task, assign.attempt)) return;
  auto task = std::make_shared<NodeTask>();
  task->attempt = assign.attempt;
  task->input.node = node_;
  task->input.task = assign.task;
  task->input.version = assign.version;
  task->input.brief = brief;
  task->split = assign.split;
  tasks_.replace_all(assign.task, std::move(task));
}

std::shared_ptr<engine::Unpacking> Trainer::room_for(std::int64_t task, std::int32_t attempt,
                                                     const std::string& header,
                                                     std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!tasks_.find(task, attempt) || !node_engine_.engine) return nullptr;
  if (bytes > node_engine_.largest_parcel) {
    throw base::UserError(fmt::format("task {} is to start from {}, more than the model has", task,
                                      base::human_bytes(static_cast<double>(bytes))));
  }
  return node_engine_.engine->unpack(header, bytes, fmt::format("what task {} starts from", task));
}

void Trainer::arrived(std::int64_t id, std::int32_t attempt,
                      const std::shared_ptr<engine::Unpacking>& box) {
  {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<NodeTask> task = tasks_.find(id, attempt);
    if (!task || task->has_input) return;
    task->input.received = node_engine_.engine->unpack_weights(*box);
    task->has_input = true;
  }
  wake_.notify_all();
}

void Trainer::begin(const wire::BeginT& begin) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(begin);
    // Reports work under way at once, not at its end.
    if (running_ && running_->task == begin.task &&
        running_->step == NodeTask::Step(begin.activity, begin.iteration)) {
      queue_.pop_back();
      wire::BeganT began = said<wire::BeganT>(begin);
      began.ago_ns = steady_nanoseconds() - running_->since_ns;
      events_.began(began);
    }
  }
  wake_.notify_all();
}

void Trainer::cancel(std::int64_t id, std::int32_t attempt) {
  const auto cancelled = of_task<wire::CancelledT>(id, attempt);
  {
    const std::lock_guard lock(mutex_);
    if (const std::shared_ptr<NodeTask> task = tasks_.find(id, attempt)) {
      task->stop.request_stop();
      tasks_.forget(id);
    }
    // Confirms the cancellation once the running work has stopped.
    queue_.emplace_back(std::function<void()>([this, cancelled] { events_.cancelled(cancelled); }));
  }
  wake_.notify_all();
}

void Trainer::drop_all() {
  {
    const std::lock_guard lock(mutex_);
    tasks_.stop_all();
    tasks_.forget_all();
    queue_.clear();
  }
  wake_.notify_all();
}

void Trainer::kept(std::int64_t id, std::int32_t attempt) {
  {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<NodeTask> task = tasks_.find(id, attempt);
    // Without a result: it is on the disk and not read yet.
    if (!task || !task->outcome || !task->outcome->result) return;
    // The node's new state is valid from here; null: it is as before.
    if (task->outcome->state) state_ = task->outcome->state;
    tasks_.forget(id);
    queue_.emplace_back(std::function<void()>([this] {
      if (state_ && node_engine_.engine) folder_.keep_state(*node_engine_.engine, *state_);
      folder_.forget_result(run_, node_);
    }));
  }
  wake_.notify_all();
}

std::vector<wire::KnownTaskT> Trainer::known() const {
  const std::lock_guard lock(mutex_);
  return tasks_.known();
}

std::string Trainer::run() const {
  const std::lock_guard lock(mutex_);
  return run_;
}

// --- the trainer's thread -----------------------------------------------------------------------

std::function<void()> Trainer::next_job() {
  if (queue_.empty()) return nullptr;
  if (auto* job = std::get_if<std::function<void()>>(&queue_.front())) {
    std::function<void()> work = std::move(*job);
    queue_.pop_front();
    return work;
  }
  const wire::BeginT begin = std::get<wire::BeginT>(queue_.front());
  const std::shared_ptr<NodeTask> task = tasks_.find(begin.task, begin.attempt);
  // The received weights, or a gradient, may still be on their way.
  const bool waits =
      task && ((!task->has_input && !task->outcome) || task->waits_for_inputs(begin));
  if (waits) return nullptr;
  queue_.pop_front();
  return [this, begin] {
    if (begin.kind == wire::Kind::send && begin.artifact >= 0) {
      cross(begin);
    } else if (begin.kind == wire::Kind::send) {
      upload(begin);
    } else {
      compute(begin);
    }
  };
}

void Trainer::loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [&] {
        job = next_job();
        return job != nullptr;
      });
    }
    if (!job) continue;
    try {
      job();
    } catch (const std::exception& e) {
      spdlog::error("{}", base::first_line(e.what()));
    }
  }
}

void Trainer::do_set_up(const std::string& run, int node, const wire::SetupT& setup) {
  try {
    {
      const std::lock_guard lock(mutex_);
      if (is_ready_again(run, node)) return;
      if (run_ != run || node_ != node) forget_run();
      run_ = run;
      node_ = node;
    }
    NodeEngine made =
        options_.open(node, setup, {options_.device, options_.data, options_.own_data});
    {
      const std::lock_guard lock(mutex_);
      node_engine_ = std::move(made);
    }
    read_kept();
    events_.ready(node_engine_.samples);
  } catch (const std::exception& e) {
    const std::lock_guard lock(mutex_);
    node_engine_.engine.reset();
    events_.cannot(base::first_line(e.what()));
  }
}

void Trainer::forget_run() {
  tasks_.stop_all();
  tasks_.forget_all();
  state_.reset();
  node_engine_.engine.reset();
  folder_.forget_all();
}

void Trainer::say_again(const wire::BeginT& begin, const NodeTask& task) {
  const std::int64_t took = task.took_ns.at({begin.activity, begin.iteration});
  wire::BeganT began = said<wire::BeganT>(begin);
  began.ago_ns = took;
  events_.began(began);
  wire::EndedT ended = said<wire::EndedT>(begin);
  ended.took_ns = took;
  events_.ended(ended);
}

void Trainer::fail(const wire::BeginT& begin, wire::Trouble trouble, const std::string& reason) {
  wire::FailedT failed = said<wire::FailedT>(begin);
  failed.trouble = trouble;
  failed.reason = reason;
  events_.failed(std::move(failed));
}

void Trainer::compute(const wire::BeginT& begin) {
  const NodeTask::Step step(begin.activity, begin.iteration);
  std::shared_ptr<NodeTask> task;
  {
    const std::lock_guard lock(mutex_);
    task = tasks_.find(begin.task, begin.attempt);
    if (task && task->took_ns.contains(step)) {
      say_again(begin, *task);
      return;
    }
    if (task) running_ = Running{begin.task, step, steady_nanoseconds()};
    if (task && !task->session) task->input.state = state_;
  }
  if (!task) {
    fail(begin, wire::Trouble::unknown_task, "the agent does not know that task");
    return;
  }
  try {
    // Of a split task only the coordinator knows how it ends.
    if (!carry_out(begin, *task) || options_.state.empty() || task->split) return;
  } catch (const engine::Stopped&) {
    const std::lock_guard lock(mutex_);
    running_.reset();
    return;
  } catch (const std::exception& e) {
    const wire::Trouble trouble = trouble_of(e);
    {
      const std::lock_guard lock(mutex_);
      running_.reset();
      tasks_.forget(begin.task);
    }
    task.reset();  // frees memory before the message is built
    fail(begin, trouble, base::first_line(e.what()));
    return;
  }
  folder_.keep_result(
      *node_engine_.engine,
      {run_, node_,
       KeptTask{begin.task, task->attempt, task->input.version, task->took_ns, *task->outcome}});
}

bool Trainer::carry_out(const wire::BeginT& begin, NodeTask& task) {
  events_.began(said<wire::BeganT>(begin));
  const std::int64_t since = steady_nanoseconds();
  const engine::Work work = engine::read_work(begin.work, "the coordinator's order");
  if (!task.session) task.session = node_engine_.engine->open(task.input, task.stop.get_token());
  std::vector<engine::Input> inputs = {{task.input.received, nullptr}};
  if (task.split) {
    const std::lock_guard lock(mutex_);
    task.artifacts.erase(task.artifacts.begin(), task.artifacts.lower_bound(begin.keep_from));
    inputs = task.inputs_of(begin.inputs);
  }
  const std::shared_ptr<const engine::Artifact> made = task.session->run(work, inputs);
  std::optional<engine::Outcome> outcome;
  if (begin.last) outcome = task.session->outcome();
  wire::EndedT ended = said<wire::EndedT>(begin);
  ended.took_ns = steady_nanoseconds() - since;
  const bool is_whole = outcome && !begin.goes_on;
  {
    const std::lock_guard lock(mutex_);
    running_.reset();
    task.took_ns[{begin.activity, begin.iteration}] = ended.took_ns;
    if (task.split) task.artifacts[begin.artifact] = made;
    if (outcome) task.outcome = std::move(outcome);
    if (is_whole) {
      task.session.reset();
      task.input.received.reset();
    }
  }
  events_.ended(ended);
  return is_whole;
}

void Trainer::upload(const wire::BeginT& begin) {
  engine::Parcel parcel;
  std::shared_ptr<NodeTask> task;
  {
    const std::lock_guard lock(mutex_);
    task = tasks_.find(begin.task, begin.attempt);
  }
  try {
    if (task && task->outcome && node_engine_.engine)
      parcel = node_engine_.engine->pack(*task->outcome);
  } catch (const std::exception& e) {
    fail(begin, trouble_of(e), base::first_line(e.what()));
    return;
  }
  if (parcel.header.empty()) {
    fail(begin, wire::Trouble::unknown_task, "the agent has no result of that task");
    return;
  }
  events_.began(said<wire::BeganT>(begin));
  events_.upload(begin.task, begin.attempt, std::move(parcel));
}

// Without an engine reads the list of finished work; with one also the tensors.
void Trainer::read_kept() {
  try {
    std::optional<KeptRun> kept = folder_.read();
    if (!kept) return;
    const std::lock_guard lock(mutex_);
    if (!node_engine_.engine) {
      run_ = kept->run;
      node_ = kept->node;
    } else if (run_ != kept->run) {
      return;
    }
    if (node_engine_.engine && !state_) state_ = folder_.read_state(*node_engine_.engine);
    if (!kept->task) return;
    KeptTask& done = *kept->task;
    if (node_engine_.engine && !tasks_.knows(done.task)) return;  // cancelled meanwhile
    NodeTask& task = tasks_.of(done.task);
    task.attempt = done.attempt;
    task.input.task = done.task;
    task.input.node = node_;
    task.input.version = done.version;
    task.has_input = true;
    task.took_ns.merge(done.took_ns);
    if (task.outcome && task.outcome->result) return;
    if (node_engine_.engine) folder_.read_artifacts(*node_engine_.engine, done.outcome);
    task.outcome = std::move(done.outcome);
  } catch (const std::exception& e) {
    spdlog::warn("{}: what an earlier run left there cannot be used: {}", folder_.path().string(),
                 base::first_line(e.what()));
    const std::lock_guard lock(mutex_);
    tasks_.forget_all();
    if (!node_engine_.engine) run_.clear();
  }
}

}  // namespace convoy::hil
