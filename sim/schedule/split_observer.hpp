#pragma once

// What a schedule learns of speeds and links from the activities of its split tasks: what a real
// coordinator could learn, no more. A task's activities follow one another, so that each began when
// the one before ended. At the end of a task:
//
//   speed   predicted / observed time of all computes on the node (of the server, too, if it is
//           shared: the same with its share)
//   link    of a direction: its bytes / (observed time - latencies), as a part of that direction's
//           nominal rate; the smaller part counts. A transfer at its limit says only that the link
//           has at least that; one that was slower says what the link has.
//
// Where the limits are guarantees, a transfer may be faster: then the link has at least what was
// observed; and the server's speed counts only where a compute took longer than guaranteed. Where
// there are neither, no link is known to be slow: others may have been in the way.
//
// A task that failed or was cancelled counts by what had ended; what was under way counts as ended
// then, if it took longer than predicted. A link that was slow once cannot be seen to recover while
// its limit holds it down. So after `probe_after` tasks in a row that were not slowed, it is taken
// to have twice what it had, at most its nominal rate; if that is wrong, the next task shows it.

#include <map>
#include <memory>

#include "sim/plan/replanner.hpp"
#include "sim/schedule/split_work.hpp"
#include "sim/task/by_node.hpp"
#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// What is watched: roles as in a split task, 0 the server, 1 the node.
struct WatchedTask {
  NodeId node = no_node;
  std::shared_ptr<const TaskGraph> graph;
  // Of the transfers of a direction: the limit (0: none), and the nominal rate of the node's link.
  struct Direction {
    double limit_bytes_per_s = 0;
    double nominal_bytes_per_s = 0;
  };
  Direction up, down;
  bool at_least = false;  // the limits are guarantees, or there are none
  double latency_s = 0;   // of each transfer
};

class SplitObserver {
 public:
  // `nominal`: by node, before anything was observed; the server's link is never observed.
  SplitObserver(ByNode<Condition> nominal, int probe_after);

  void begins(TaskId task, WatchedTask watched, double now);
  // Must get every event of the watched tasks.
  void note(const Event& event);
  // Of a task that is not watched: nothing.
  void cancelled(TaskId task, double now);
  // Those that are still watched have been cancelled now.
  void conclude_all(double now);

  // By node; what was never observed is nominal.
  [[nodiscard]] const ByNode<Condition>& conditions() const { return conditions_; }

 private:
  struct Sum {
    double expected = 0;  // s; of a direction: bytes
    double observed = 0;  // s
  };
  struct Task {
    WatchedTask watched;
    double since = 0;  // end of the last activity
    int last = -1;     // that activity
    Sum node, server, up, down;
  };

  static const WatchedTask::Direction& direction(const Task& task, const Activity& activity);
  static void count(Task& task, const Activity& activity, double seconds);
  static double expected_s(const Task& task, const Activity& activity);
  void conclude(TaskId id, double now, bool is_done);
  void learn_link(const Task& task);

  ByNode<Condition> nominal_;
  ByNode<Condition> conditions_;
  ByNode<int> held_;  // tasks in a row that were not slowed
  int probe_after_;
  std::map<TaskId, Task> tasks_;
};

}  // namespace convoy::sim
