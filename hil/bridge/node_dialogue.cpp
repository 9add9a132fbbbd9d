#include "hil/bridge/node_dialogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace convoy::hil {
namespace {

using sim::Cause;
using sim::WallSeconds;
using sim::WallTime;

constexpr WallSeconds longest_duration(1e9);
// Time given by an agent; negative values become 0.
WallSeconds from_ns(std::int64_t ns) {
  return std::chrono::nanoseconds(std::max<std::int64_t>(0, ns));
}

}  // namespace

NodeDialogue::NodeDialogue(const sim::RealNode& options, Agent& agent, Reports& reports)
    : options_(options), agent_(agent), reports_(reports) {}

// --- from the run -------------------------------------------------------------------------------

void NodeDialogue::add(const engine::TaskInput& input, std::shared_ptr<const sim::TaskGraph> graph,
                       std::shared_ptr<const sim::SplitTask> split) {
  Open& open = tasks_[input.task];
  open.input = input;
  open.graph = std::move(graph);
  open.split = std::move(split);
  recognize(open, known_);
}

void NodeDialogue::begin(const sim::RealActivity& a, WallTime now) {
  const auto found = tasks_.find(a.task);
  if (found == tasks_.end()) {
    reports_.failed(a.id, Cause::failed, "nobody knows what the task starts from");
    return;
  }
  Open& open = found->second;
  const bool goes_on = !std::exchange(open.begun, true) && a.activity > 0;
  if (open.split && goes_on) {
    open.failure = {Cause::failed,
                    "the coordinator was started again in the middle of it, and what the server "
                    "had trained in it is gone"};
  }
  if (open.failure) {
    reports_.failed(a.id, open.failure->first, open.failure->second);
    return;
  }
  Command command;
  command.id = a.id;
  command.predicted_s = a.predicted_s;
  command.since = now;
  command.begin.task = a.task;
  command.begin.activity = a.activity;
  command.begin.iteration = a.iteration;
  command.begin.goes_on = a.iteration + 1 < open.graph->repeat();
  describe(open, a, command);
  // A transfer begins with its order, however slow the network is.
  const bool to_node = command.kind == Kind::download || command.kind == Kind::crossing;
  if (to_node) reports_.started(a.id, now, {});
  if (command.kind == Kind::download && !open.assigned) open.fresh = true;
  open.heard = now;
  open.commands[{a.activity, a.iteration}] = command;
  send(now);
}

void NodeDialogue::describe(const Open& open, const sim::RealActivity& a, Command& command) {
  wire::BeginT& begin = command.begin;
  if (a.peer == sim::no_node) {
    begin.work = engine::to_text(a.what->work);
    begin.last = is_last(open, a);
  } else if (a.node == sim::server_node) {
    command.kind = Kind::download;
  } else {
    command.kind = Kind::upload;
    begin.kind = wire::Kind::send;
    command.ends_task = open.split ? open.split->is_last_upload(a.activity) : !begin.goes_on;
  }
  if (!open.split) return;
  begin.artifact = open.split->product(a.activity);
  begin.keep_from = open.split->keep_from(a.activity);
  if (command.kind == Kind::compute) begin.inputs = open.split->inputs(a.activity);
  if (command.kind == Kind::download && begin.artifact >= 0) command.kind = Kind::crossing;
}

// True if the role computes nothing later in this pass. Work that only takes time counts only if
// the role does nothing else.
bool NodeDialogue::is_last(const Open& open, const sim::RealActivity& activity) {
  const auto& all = open.graph->activities();
  const auto computes = [&](const sim::Activity& a) {
    return a.kind == sim::ActivityKind::compute && a.at == activity.what->at;
  };
  const auto works = [&](const sim::Activity& a) {
    return computes(a) && !engine::is_nothing(a.work);
  };
  const auto after = all.begin() + activity.activity + 1;
  if (!engine::is_nothing(activity.what->work)) return std::none_of(after, all.end(), works);
  return std::none_of(all.begin(), all.end(), works) && std::none_of(after, all.end(), computes);
}

bool NodeDialogue::goes_on(Task task) const {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return false;
  for (const auto& [key, command] : found->second.commands) {
    if (command.kind == Kind::upload) return command.begin.goes_on;
  }
  return false;
}

void NodeDialogue::give_up(Task task, WallTime now) {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return;
  const Open open = std::move(found->second);
  tasks_.erase(found);
  // An unconnected agent is informed with its next messages.
  if (!open.told || !ready_) return;
  agent_.cancel(task, open.attempt);
  draining_[{task, open.attempt}] = now;
}

std::vector<NodeDialogue::Task> NodeDialogue::clear() {
  std::vector<Task> gone;
  for (const auto& [task, open] : tasks_) gone.push_back(task);
  tasks_.clear();
  draining_.clear();
  return gone;
}

void NodeDialogue::taken(Task task) {
  taken_ = filed_.task == task ? filed_ : Update{task, std::nullopt};
  if (!ready_) return;
  if (taken_.attempt) {
    agent_.kept(task, *taken_.attempt);
  } else {
    acknowledge_again();
  }
}

// For an agent that has said that it keeps the result.
void NodeDialogue::acknowledge_again() {
  for (const wire::KnownTaskT& k : known_) {
    const bool same = k.task == taken_.task && k.attempt == taken_.attempt.value_or(k.attempt);
    if (same && k.done) agent_.kept(k.task, k.attempt);
  }
}

// --- from the connection ------------------------------------------------------------------------

bool NodeDialogue::recognize(Open& open, const std::vector<wire::KnownTaskT>& known) {
  for (const wire::KnownTaskT& k : known) {
    if (k.task != open.input.task || k.version != open.input.version) continue;
    if (open.assigned && k.attempt != open.attempt) continue;
    open.attempt = k.attempt;
    open.has_input = k.input || k.done;
    open.told = open.has_input;  // else both are sent again
    return true;
  }
  return false;
}

// Nothing is wanted of the agent: all that was is here.
bool NodeDialogue::is_all_here(const Open& open) {
  return std::all_of(open.commands.begin(), open.commands.end(),
                     [](const auto& c) { return c.second.arrived; });
}

// Whatever the agent has forgotten, the task goes on.
bool NodeDialogue::needs_no_agent(const Open& open) {
  if (!is_all_here(open)) return false;
  const auto ends_task = [](const auto& c) { return c.second.ends_task; };
  return !open.split || std::any_of(open.commands.begin(), open.commands.end(), ends_task);
}

bool NodeDialogue::connected(const std::vector<wire::KnownTaskT>& known, bool restarted) {
  ++connections_;
  known_ = known;
  ready_ = false;
  draining_.clear();
  bool all_there = true;
  for (auto& [task, open] : tasks_) {
    open.told = false;
    open.has_input = false;
    if (recognize(open, known)) continue;
    const bool only_arrived = needs_no_agent(open);
    // An update that is here stays that of its attempt, whatever the agent has forgotten.
    if (restarted && (!only_arrived || open.commands.empty())) ++open.attempt;
    // Computed results are lost; tasks that have not begun can begin again.
    all_there = all_there && (open.fresh || only_arrived);
  }
  return all_there;
}

void NodeDialogue::ready(WallTime now) {
  ready_ = true;
  acknowledge_again();  // first: with the next task the agent would forget the result
  send(now);
}

void NodeDialogue::disconnected() {
  ready_ = false;
  for (auto& [task, open] : tasks_) {
    for (auto& [key, command] : open.commands) {
      command.sent = false;
      command.taking = false;
    }
  }
}

NodeDialogue::Open* NodeDialogue::find(Task task, std::int32_t attempt) {
  const auto found = tasks_.find(task);
  const bool ours = found != tasks_.end() && found->second.attempt == attempt;
  return ours ? &found->second : nullptr;
}

// Sends the agent all pending messages.
void NodeDialogue::send(WallTime now) {
  if (!ready_ || !draining_.empty()) return;
  std::vector<Task> forgotten;
  for (auto& [task, open] : tasks_) {
    if (is_all_here(open)) continue;
    if (!open.told && open.fresh) {
      open.told = open.assigned = true;
      open.heard = now;
      agent_.assign(open.input, open.attempt);
    }
    if (!open.told) {
      forgotten.push_back(task);
      continue;
    }
    end_downloads(open, now);
    for (auto& [key, command] : open.commands) {
      if (command.sent || command.arrived) continue;
      command.sent = true;
      open.heard = now;
      if (command.kind == Kind::download) continue;
      command.begin.attempt = open.attempt;
      if (command.kind == Kind::crossing) {
        agent_.cross(task, open.attempt, command.begin.artifact);
      } else {
        agent_.begin(command.begin);
      }
    }
  }
  for (const Task task : forgotten) {
    Open& open = tasks_.at(task);
    fail(open, open.commands.begin()->first, Cause::failed,
         "the agent knows nothing of the task any more");
  }
}

// The agent has its inputs: the downloads have ended.
void NodeDialogue::end_downloads(Open& open, WallTime stamp) {
  if (!open.has_input) return;
  for (auto it = open.commands.begin(); it != open.commands.end();) {
    if (it->second.kind != Kind::download) {
      ++it;
      continue;
    }
    reports_.ended(it->second.id, stamp);
    it = open.commands.erase(it);
  }
}

// What has come was made of them, whether the node has said that it has got them or not.
void NodeDialogue::end_crossings(Open& open, WallTime stamp) {
  std::erase_if(open.commands, [&](const auto& c) {
    if (c.second.kind != Kind::crossing) return false;
    reports_.ended(c.second.id, stamp);
    return true;
  });
}

void NodeDialogue::received(Task task, std::int32_t attempt, WallTime stamp, int artifact) {
  Open* open = find(task, attempt);
  if (open == nullptr) return;
  if (artifact >= 0) {
    const auto crossed =
        std::find_if(open->commands.begin(), open->commands.end(), [&](const auto& c) {
          return c.second.kind == Kind::crossing && c.second.begin.artifact == artifact;
        });
    if (crossed == open->commands.end()) return;  // said again
    open->heard = stamp;
    reports_.ended(crossed->second.id, stamp);
    open->commands.erase(crossed);
    return;
  }
  open->has_input = true;
  open->heard = stamp;
  end_downloads(*open, stamp);
}

void NodeDialogue::began(const wire::Began& began, WallTime stamp, WallSeconds allowance) {
  Open* open = find(began.task(), began.attempt());
  if (open == nullptr) return;
  const auto found = open->commands.find({began.activity(), began.iteration()});
  if (found == open->commands.end()) return;
  Command& command = found->second;
  open->heard = stamp;
  if (command.began) return;  // repeated after a reconnection
  command.began = true;
  command.connection = connections_;
  if (command.kind == Kind::compute) open->fresh = false;
  // The activity cannot have begun before its order, nor later than the message says.
  const WallSeconds ago = from_ns(began.ago_ns());
  const bool by_its_clock = command.kind == Kind::compute && !options_.measured_network;
  reports_.started(command.id, std::max(stamp - ago, std::min(command.since, stamp)),
                   by_its_clock ? allowance : WallSeconds());
}

void NodeDialogue::ended(const wire::Ended& ended, WallTime stamp) {
  Open* open = find(ended.task(), ended.attempt());
  if (open == nullptr) return;
  const auto found = open->commands.find({ended.activity(), ended.iteration()});
  if (found == open->commands.end() || found->second.kind != Kind::compute) return;
  const Command command = found->second;
  open->heard = stamp;
  open->commands.erase(found);
  const WallSeconds took = from_ns(ended.took_ns());
  // Uses this machine's clock, including message delays, if the network is measured, too. Else, or
  // if the connection broke in between, uses the duration by the node's clock.
  const bool in_sight = command.began && command.connection == connections_;
  if (options_.measured_network && in_sight) {
    reports_.ended(command.id, stamp);
  } else {
    reports_.ended_after(command.id, std::min(took, longest_duration));
  }
}

void NodeDialogue::fail(Open& open, Key key, Cause cause, const std::string& why) {
  if (!open.commands.contains(key)) return;
  open.failure = {cause, why};
  for (const auto& [each, command] : std::exchange(open.commands, {})) {
    reports_.failed(command.id, cause, why);
  }
}

void NodeDialogue::failed(Task task, std::int32_t attempt, int activity, int iteration, Cause cause,
                          const std::string& why) {
  Open* open = find(task, attempt);
  if (open == nullptr || open->commands.empty()) return;
  const Key key = activity >= 0 ? Key(activity, iteration) : open->commands.begin()->first;
  fail(*open, key, cause, why);
}

void NodeDialogue::cancelled(Task task, std::int32_t attempt, WallTime now) {
  draining_.erase({task, attempt});
  send(now);
}

}  // namespace convoy::hil
