#include "hil/agent/trainer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/files.hpp"
#include "base/text.hpp"
#include "engine/model/parameters.hpp"
#include "hil/protocol/connection.hpp"

namespace convoy::hil {
namespace {

// In the state folder.
constexpr const char* index_name = "agent.json";
constexpr const char* state_name = "node.safetensors";
constexpr const char* result_name = "result.safetensors";
constexpr const char* result_state_name = "result-node.safetensors";

// What a parcel may be larger than the model, for its lists of kept members.
constexpr std::uint64_t parcel_margin = 16 << 20;

std::string first_line(const std::string& text) {
  return base::printable(text.substr(0, text.find('\n')));
}

// JSON has no NaN and no infinity: they are written as words.
nlohmann::json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

double number(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  const auto word = value.get<std::string>();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (word == "inf") return infinity;
  if (word == "-inf") return -infinity;
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  throw base::UserError(fmt::format("\"{}\" is no number", base::printable(word)));
}

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

bool is_out_of_memory(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return true;
  const std::string_view what = e.what();
  for (const char* words : {"out of memory", "not enough memory", "can't allocate memory"}) {
    if (what.find(words) != std::string_view::npos) return true;
  }
  return false;
}

Trainer::Trainer(TrainerOptions options, TrainerEvents events)
    : options_(std::move(options)), events_(std::move(events)) {
  limit_memory();
  if (!options_.state.empty()) {
    std::error_code failure;
    std::filesystem::create_directories(options_.state, failure);
    if (failure) {
      throw base::UserError(fmt::format("state: {}: cannot be made ({})", options_.state.string(),
                                        failure.message()));
    }
    base::remove_drafts(options_.state);
    read_kept();
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

Trainer::~Trainer() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, task] : tasks_) task->stop.request_stop();
  }
  thread_.request_stop();
  wake_.notify_all();
}

// --- from any thread
// ------------------------------------------------------------------------------

void Trainer::set_up(const std::string& run, int node, const wire::SetupT& setup) {
  {
    const std::lock_guard lock(mutex_);
    // A connection that was made again does not wait for training.
    if (engine_ && run_ == run && node_ == node) {
      events_.ready(samples_);
      return;
    }
    queue_.emplace_front(
        std::function<void()>([this, run, node, setup] { do_set_up(run, node, setup); }));
  }
  wake_.notify_all();
}

void Trainer::assign(const wire::AssignT& assign) {
  if (assign.version < 0) throw ProtocolError("an assignment that nobody could carry out");
  engine::TaskBrief brief;
  try {
    brief = engine::read_brief(assign.brief, "the coordinator's assignment");
  } catch (const base::UserError& e) {
    throw ProtocolError(first_line(e.what()));
  }
  const std::lock_guard lock(mutex_);
  const auto there = tasks_.find(assign.task);
  if (there != tasks_.end() && there->second->attempt == assign.attempt) return;
  // A node has one task at a time: what is left of others nobody wants any more.
  for (const auto& [id, task] : tasks_) task->stop.request_stop();
  tasks_.clear();
  auto task = std::make_shared<Task>();
  task->attempt = assign.attempt;
  task->input.node = node_;
  task->input.task = assign.task;
  task->input.version = assign.version;
  task->input.brief = brief;
  tasks_[assign.task] = std::move(task);
}

std::shared_ptr<Trainer::Task> Trainer::find(std::int64_t task, std::int32_t attempt) const {
  const auto found = tasks_.find(task);
  if (found == tasks_.end() || found->second->attempt != attempt) return nullptr;
  return found->second;
}

std::shared_ptr<engine::Unpacking> Trainer::room_for(std::int64_t task, std::int32_t attempt,
                                                     const std::string& header,
                                                     std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!find(task, attempt) || !engine_) return nullptr;
  if (bytes > largest_parcel_) {
    throw base::UserError(fmt::format("task {} is to start from {}, more than the model has", task,
                                      base::human_bytes(static_cast<double>(bytes))));
  }
  return engine_->unpack(header, bytes, fmt::format("what task {} starts from", task));
}

void Trainer::arrived(std::int64_t id, std::int32_t attempt,
                      const std::shared_ptr<engine::Unpacking>& box) {
  {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<Task> task = find(id, attempt);
    if (!task || task->has_input) return;
    task->input.received = engine_->unpack_weights(*box);
    task->has_input = true;
  }
  wake_.notify_all();
}

void Trainer::begin(const wire::BeginT& begin) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace_back(begin);
    // What is under way is said at once, not after it.
    if (running_ && running_->task == begin.task &&
        running_->key == Key(begin.activity, begin.iteration)) {
      queue_.pop_back();
      wire::BeganT began = said<wire::BeganT>(begin);
      began.ago_ns = steady_nanoseconds() - running_->since_ns;
      events_.began(began);
    }
  }
  wake_.notify_all();
}

void Trainer::cancel(std::int64_t id, std::int32_t attempt) {
  wire::CancelledT cancelled;
  cancelled.task = id;
  cancelled.attempt = attempt;
  {
    const std::lock_guard lock(mutex_);
    if (const std::shared_ptr<Task> task = find(id, attempt)) {
      task->stop.request_stop();
      tasks_.erase(id);
    }
    // Said when whatever runs of it has stopped.
    queue_.emplace_back(std::function<void()>([this, cancelled] { events_.cancelled(cancelled); }));
  }
  wake_.notify_all();
}

void Trainer::drop_all() {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, task] : tasks_) task->stop.request_stop();
    tasks_.clear();
    queue_.clear();
  }
  wake_.notify_all();
}

void Trainer::kept(std::int64_t id, std::int32_t attempt) {
  {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<Task> task = find(id, attempt);
    if (!task || !task->outcome) return;
    // What the node has learned of itself counts from now on.
    state_ = task->outcome->state;
    tasks_.erase(id);
    queue_.emplace_back(std::function<void()>([this] {
      keep_state();
      forget_result();
    }));
  }
  wake_.notify_all();
}

std::vector<wire::KnownTaskT> Trainer::known() const {
  const std::lock_guard lock(mutex_);
  std::vector<wire::KnownTaskT> all;
  for (const auto& [id, task] : tasks_) {
    wire::KnownTaskT k;
    k.task = id;
    k.attempt = task->attempt;
    k.version = task->input.version;
    k.input = task->has_input;
    k.done = task->outcome.has_value();
    all.push_back(k);
  }
  return all;
}

std::string Trainer::run() const {
  const std::lock_guard lock(mutex_);
  return run_;
}

// --- the trainer's thread
// -------------------------------------------------------------------------

std::function<void()> Trainer::next_job() {
  if (queue_.empty()) return nullptr;
  if (auto* job = std::get_if<std::function<void()>>(&queue_.front())) {
    std::function<void()> work = std::move(*job);
    queue_.pop_front();
    return work;
  }
  const wire::BeginT begin = std::get<wire::BeginT>(queue_.front());
  const std::shared_ptr<Task> task = find(begin.task, begin.attempt);
  // What the task starts from may still be on its way.
  const bool waits = task && !task->has_input && !task->outcome;
  if (waits) return nullptr;
  queue_.pop_front();
  return [this, begin] {
    if (begin.kind == wire::Kind::send) {
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
      spdlog::error("{}", first_line(e.what()));
    }
  }
}

void Trainer::limit_memory() const {
  if (options_.max_memory_bytes <= 0) return;
  const auto bytes = static_cast<rlim_t>(options_.max_memory_bytes);
  const rlimit limit{bytes, bytes};
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) {
    spdlog::warn("max_memory_gb: the limit could not be set");
  }
}

// Data that nobody else has must be of the kind that the run trains on.
static void check_own(const engine::DataShape& shape, const engine::Architecture& a) {
  if (shape.text) {
    throw base::UserError(
        "own_data = true: texts of one's own have a vocabulary of their own, whose numbers mean "
        "something else to the others; only images can be");
  }
  if (a.input != engine::InputKind::image || shape.channels != a.channels ||
      shape.height != a.height || shape.width != a.width || shape.classes > a.classes) {
    throw base::UserError(fmt::format(
        "own_data = true: its images are {} x {} x {} of {} classes, the model wants {} x {} x {} "
        "of at most {}",
        shape.channels, shape.height, shape.width, shape.classes, a.channels, a.height, a.width,
        a.classes));
  }
}

void Trainer::do_set_up(const std::string& run, int node, const wire::SetupT& setup) {
  try {
    {
      const std::lock_guard lock(mutex_);
      if (engine_ && run_ == run && node_ == node) {
        events_.ready(samples_);
        return;
      }
      if (run_ != run || node_ != node) forget_run();
      run_ = run;
      node_ = node;
    }
    const engine::EngineSetup text =
        engine::read_setup(setup.toml, options_.data, options_.own_data, "the coordinator's setup");
    const auto source = engine::open_source(text.data, "");
    engine::EngineOptions options;
    options.architecture =
        std::make_shared<const engine::Architecture>(engine::make_architecture(text.model));
    options.training = text.training;
    options.rules = text.rules;
    options.seed = text.seed;
    options.device = options_.device;
    options.evaluation_batch = text.evaluation_batch;
    options.train = std::make_shared<const engine::Dataset>(source->train());
    engine::LocalSplit part;
    if (options_.own_data) {
      check_own(source->shape(), *options.architecture);
      std::vector<std::int64_t> all(source->labels().size());
      std::iota(all.begin(), all.end(), 0);
      part = engine::split_local(all, source->labels(), setup.local_test_share, text.seed, node);
    } else {
      if (engine::data_signature(*source) != setup.data_signature) {
        throw base::UserError(
            "the data set on this machine is another one than the coordinator's, whose parts it "
            "was to train on; give it the same files, or own_data = true");
      }
      part = {setup.train, setup.test};
      const auto count = static_cast<std::int64_t>(source->labels().size());
      for (const auto* list : {&part.train, &part.test}) {
        if (std::any_of(list->begin(), list->end(),
                        [&](std::int64_t i) { return i < 0 || i >= count; })) {
          throw base::UserError("the coordinator names samples that the data set does not have");
        }
      }
    }
    if (part.train.empty()) throw base::UserError("there is no sample to train on");
    options.parts.resize(static_cast<std::size_t>(node) + 1);
    const auto samples = static_cast<std::int64_t>(part.train.size());
    options.parts.back() = std::move(part);
    auto engine = engine::open_engine(options);
    engine->prepare_thread();
    std::uint64_t parameters = 0;
    for (const auto& p : engine::parameter_tensors(*options.architecture)) {
      parameters += static_cast<std::uint64_t>(p.elements());
    }
    {
      const std::lock_guard lock(mutex_);
      largest_parcel_ = sizeof(float) * parameters + parcel_margin;
      engine_ = std::move(engine);
      samples_ = samples;
    }
    read_kept();
    events_.ready(samples);
  } catch (const std::exception& e) {
    const std::lock_guard lock(mutex_);
    engine_.reset();
    events_.cannot(first_line(e.what()));
  }
}

void Trainer::forget_run() {
  for (const auto& [id, task] : tasks_) task->stop.request_stop();
  tasks_.clear();
  state_.reset();
  engine_.reset();
  if (options_.state.empty()) return;
  std::error_code ignored;
  for (const char* name : {index_name, state_name, result_name, result_state_name}) {
    std::filesystem::remove(options_.state / name, ignored);
  }
}

void Trainer::say_again(const wire::BeginT& begin, const Task& task) {
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
  const Key key(begin.activity, begin.iteration);
  std::shared_ptr<Task> task;
  {
    const std::lock_guard lock(mutex_);
    task = find(begin.task, begin.attempt);
    if (task && task->took_ns.contains(key)) {
      say_again(begin, *task);
      return;
    }
    if (task) running_ = Running{begin.task, key, steady_nanoseconds()};
    if (task && !task->session) task->input.state = state_;
  }
  if (!task) {
    fail(begin, wire::Trouble::unknown_task, "the agent does not know that task");
    return;
  }
  events_.began(said<wire::BeganT>(begin));
  const std::int64_t since = steady_nanoseconds();
  bool made = false;
  try {
    const engine::Work work = engine::read_work(begin.work, "the coordinator's order");
    if (!task->session) task->session = engine_->open(task->input, task->stop.get_token());
    task->session->run(work, {{task->input.received, nullptr}});
    std::optional<engine::Outcome> outcome;
    if (begin.last) outcome = task->session->outcome();
    const std::int64_t took = steady_nanoseconds() - since;
    {
      const std::lock_guard lock(mutex_);
      running_.reset();
      task->took_ns[key] = took;
      if (outcome) {
        task->outcome = std::move(outcome);
        if (!begin.goes_on) {
          task->session.reset();
          task->input.received.reset();
          made = true;
        }
      }
    }
    wire::EndedT ended = said<wire::EndedT>(begin);
    ended.took_ns = took;
    events_.ended(ended);
  } catch (const engine::Stopped&) {
    const std::lock_guard lock(mutex_);
    running_.reset();
    return;
  } catch (const std::exception& e) {
    const bool memory = is_out_of_memory(e);
    {
      const std::lock_guard lock(mutex_);
      running_.reset();
      tasks_.erase(begin.task);
    }
    task.reset();  // before memory is needed for saying so
    fail(begin, memory ? wire::Trouble::out_of_memory : wire::Trouble::failed,
         first_line(e.what()));
    return;
  }
  if (made) keep_result(begin.task, *task);
}

void Trainer::upload(const wire::BeginT& begin) {
  engine::Parcel parcel;
  std::shared_ptr<Task> task;
  {
    const std::lock_guard lock(mutex_);
    task = find(begin.task, begin.attempt);
  }
  try {
    if (task && task->outcome && engine_) parcel = engine_->pack(*task->outcome);
  } catch (const std::exception& e) {
    fail(begin, is_out_of_memory(e) ? wire::Trouble::out_of_memory : wire::Trouble::failed,
         first_line(e.what()));
    return;
  }
  if (parcel.header.empty()) {
    fail(begin, wire::Trouble::unknown_task, "the agent has no result of that task");
    return;
  }
  events_.began(said<wire::BeganT>(begin));
  events_.upload(begin.task, begin.attempt, std::move(parcel));
}

// --- what outlives the process
// --------------------------------------------------------------------

void Trainer::keep_result(std::int64_t id, const Task& task) const {
  if (options_.state.empty() || !task.outcome->result || !task.outcome->state) return;
  try {
    engine_->save(*task.outcome->result, options_.state / result_name);
    engine_->save(*task.outcome->state, options_.state / result_state_name);
    nlohmann::json took = nlohmann::json::array();
    for (const auto& [key, ns] : task.took_ns) took.push_back({key.first, key.second, ns});
    nlohmann::json index = {{"run", run_},
                            {"node", node_},
                            {"task", id},
                            {"attempt", task.attempt},
                            {"version", task.input.version},
                            {"loss", number(task.outcome->loss)},
                            {"finite", task.outcome->finite},
                            {"took_ns", took}};
    if (task.outcome->local_accuracy)
      index["local_accuracy"] = number(*task.outcome->local_accuracy);
    base::write_file(options_.state / index_name, index.dump());
  } catch (const std::exception& e) {
    spdlog::warn("the result of task {} could not be kept on disk: {}", id, e.what());
  }
}

void Trainer::forget_result() const {
  if (options_.state.empty()) return;
  // The index must not speak of a result that is not there: where it cannot be replaced it goes.
  const auto path = options_.state / index_name;
  std::error_code ignored;
  try {
    base::write_file(path, nlohmann::json({{"run", run_}, {"node", node_}}).dump());
  } catch (const std::exception& e) {
    spdlog::warn("what this node keeps of its run could not be written: {}", first_line(e.what()));
    std::filesystem::remove(path, ignored);
  }
  std::filesystem::remove(options_.state / result_name, ignored);
}

void Trainer::keep_state() const {
  if (options_.state.empty() || !state_) return;
  try {
    engine_->save(*state_, options_.state / state_name);
  } catch (const std::exception& e) {
    spdlog::warn("what this node has learned of itself could not be kept on disk: {}", e.what());
  }
}

// Before there is an engine what was done; with it the tensors as well.
void Trainer::read_kept() {
  if (options_.state.empty()) return;
  if (!std::filesystem::exists(options_.state / index_name)) return;
  try {
    constexpr std::uintmax_t longest = 64 << 20;
    const nlohmann::json index =
        nlohmann::json::parse(base::read_file(options_.state / index_name, longest));
    const std::lock_guard lock(mutex_);
    if (!engine_) {
      run_ = index.at("run").get<std::string>();
      node_ = index.at("node").get<int>();
    } else if (run_ != index.at("run").get<std::string>()) {
      return;
    }
    if (engine_ && !state_ && std::filesystem::exists(options_.state / state_name)) {
      state_ = engine_->load_state(options_.state / state_name);
    }
    if (!index.contains("task")) return;
    const auto id = index.at("task").get<std::int64_t>();
    if (engine_ && !tasks_.contains(id)) return;  // given up meanwhile
    auto& task = tasks_[id];
    if (!task) task = std::make_shared<Task>();
    task->attempt = index.at("attempt").get<std::int32_t>();
    task->input.task = id;
    task->input.node = node_;
    task->input.version = index.at("version").get<std::int64_t>();
    task->has_input = true;
    for (const auto& took : index.at("took_ns")) {
      task->took_ns[{took.at(0).get<int>(), took.at(1).get<int>()}] =
          took.at(2).get<std::int64_t>();
    }
    if (task->outcome && task->outcome->result) return;
    engine::Outcome outcome;
    // An older agent wrote null for what is no finite number.
    outcome.loss = index.at("loss").is_null() ? std::numeric_limits<double>::quiet_NaN()
                                              : number(index.at("loss"));
    outcome.finite = index.at("finite").get<bool>();
    if (index.contains("local_accuracy")) {
      outcome.local_accuracy = number(index.at("local_accuracy"));
    }
    if (engine_) {
      outcome.result = engine_->load_artifact(options_.state / result_name);
      outcome.state = engine_->load_state(options_.state / result_state_name);
    }
    task->outcome = std::move(outcome);
  } catch (const std::exception& e) {
    spdlog::warn("{}: what an earlier run left there cannot be used: {}", options_.state.string(),
                 first_line(e.what()));
    const std::lock_guard lock(mutex_);
    tasks_.clear();
    if (!engine_) run_.clear();
  }
}

}  // namespace convoy::hil
