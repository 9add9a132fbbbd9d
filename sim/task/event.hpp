#pragma once

// The events of a run that a schedule sees. All times are virtual.

#include <cstdint>
#include <string_view>

#include "base/words.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// Listed in the order in which events of one instant are given. Activities that end at an instant
// come before a node's loss or a timer at that instant: a reply exactly at its deadline counts.
enum class EventKind : std::uint8_t {
  run_started,    // absent nodes are reported lost at the same instant
  node_joined,    // a node has come (again) and can get work
  node_changed,   // speed of a node with work has changed: `speed`
  activity_done,  // only for tasks that asked for it: `activity`
  task_done,
  published,    // `task`, which has just ended, made `version` of the global model
  evaluated,    // `version`, its `accuracy`
  node_lost,    // its tasks fail
  task_failed,  // `cause`, the `activity` that failed, the share of it that was `finished`
  timer_fired,  // `timer`
};
inline constexpr base::Words<EventKind> event_words = {
    {EventKind::run_started, "run_started"},   {EventKind::node_joined, "node_joined"},
    {EventKind::node_changed, "node_changed"}, {EventKind::activity_done, "activity_done"},
    {EventKind::task_done, "task_done"},       {EventKind::published, "published"},
    {EventKind::evaluated, "evaluated"},       {EventKind::node_lost, "node_lost"},
    {EventKind::task_failed, "task_failed"},   {EventKind::timer_fired, "timer_fired"}};

enum class Cause : std::uint8_t {
  none,
  node_lost,      // a node of the task was lost, or absent at the assignment
  out_of_memory,  // a task or an activity needs more memory than a node has, or has left
  diverged,       // the update holds NaN or infinity
  left_out,       // with the update the model would have held NaN or infinity
  timed_out,      // a real node missed an activity's deadline
  failed,         // a real node could not do it
  refused,        // a real node sent wrong data
  cancelled,      // by the schedule, before its end: too late, too old
  stale,          // by the schedule, after it came in: too old to be in a version
  run_ended,      // under way at the end of the run
};
inline constexpr base::Words<Cause> cause_words = {{Cause::none, ""},
                                                   {Cause::node_lost, "node_lost"},
                                                   {Cause::out_of_memory, "out_of_memory"},
                                                   {Cause::diverged, "diverged"},
                                                   {Cause::left_out, "left_out"},
                                                   {Cause::timed_out, "timed_out"},
                                                   {Cause::failed, "failed"},
                                                   {Cause::refused, "refused"},
                                                   {Cause::cancelled, "cancelled"},
                                                   {Cause::stale, "stale"},
                                                   {Cause::run_ended, "run_ended"}};

struct Event {
  double time = 0;  // s
  EventKind kind = EventKind::run_started;
  NodeId node = no_node;  // worker of a task, else the node concerned; for versions the server
  TaskId task = no_task;
  std::int64_t sequence = 0;  // order of events that are otherwise equal

  std::int64_t timer = 0;
  std::int64_t version = 0;
  int activity = -1;
  double finished = 0;  // 0 to 1
  double speed = 1;     // relative to nominal
  double accuracy = 0;  // 0 to 1, of the headline exit
  Cause cause = Cause::none;
  // out_of_memory, in bytes: what the task, or its activity with all that the task holds there,
  // needs of the node; what nobody has there; what the node has for tasks. Infinity: no limit.
  double needed = 0;
  double free = 0;
  double capacity = 0;
  bool last = false;  // last event of this instant
};

// The order of the events of one instant: by kind (as listed), node, task, sequence.
bool comes_before(const Event& a, const Event& b);

inline std::string_view name_of(EventKind kind) { return name_of(event_words, kind); }
inline std::string_view name_of(Cause cause) { return name_of(cause_words, cause); }

}  // namespace convoy::sim
