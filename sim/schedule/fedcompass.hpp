#pragma once

// FedCompass (Li et al. 2023, arXiv 2309.14675), as its authors' code has it (github APPFL/APPFL
// 100d7f2, compass_scheduler.py): a node is given as many local steps as it can do until others are
// expected, so that they arrive together, as a group. `Arrivals` is the rule: who belongs to which
// group, with how many steps; `FedCompass` is the schedule around it. fedcompass.md says what is
// faithful and what is ours.

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "sim/schedule/client_pool.hpp"

namespace convoy::sim {

struct CompassOptions {
  int max_steps = 100;       // Q_max, at least 1
  double min_share = 0.2;    // q: Q_min = max(floor(q Q_max), 1); (0, 1]
  double join_factor = 1.2;  // who joins a group is given up to floor(this x Q_max); at least 1
  double lateness = 1.5;     // lambda: how much longer than expected a group is waited for; >= 1
  double momentum = 0.9;     // of the latest speed, against those measured before; (0, 1]

  [[nodiscard]] int min_steps() const;
  [[nodiscard]] int max_joining() const;
};

// The groups of arrival. Times in s, virtual. A node's speed is in s for a local step, measured
// from a task's assignment to its end, transfers included.
class Arrivals {
 public:
  using GroupId = std::int64_t;
  static constexpr GroupId no_group = -1;

  // What a node is told.
  struct Place {
    GroupId group = no_group;
    int steps = 0;
    bool is_new = false;  // the group was made for it
    double latest = 0;    // arrival of the group
  };

  explicit Arrivals(const CompassOptions& options) : options_(options) {}

  // A task of a node has taken that long.
  void measured(NodeId node, double seconds, int steps);
  // Nothing where it was never measured.
  [[nodiscard]] std::optional<double> speed(NodeId node) const;

  // A place for a node that was measured: in the group that leaves it the most steps, else in a
  // new one.
  Place place(NodeId node, double now);
  // A member has come. False: too late, it belongs to the group no more.
  [[nodiscard]] bool arrived(NodeId node, GroupId group, double now);
  // A member will not come.
  void left(NodeId node, GroupId group);

  // Some have come, and nobody is waited for.
  [[nodiscard]] std::vector<GroupId> complete() const;
  // Some have come, and were not taken yet.
  [[nodiscard]] bool has_arrived(GroupId group) const;
  // Those that have come are aggregated; who has not come is late from now on.
  void taken(GroupId group);

 private:
  struct Group {
    std::set<NodeId> coming;
    std::set<NodeId> came;
    double expected = 0;
    double latest = 0;
    bool is_open = true;  // not taken
  };
  using Groups = std::map<GroupId, Group>;

  [[nodiscard]] std::optional<Place> to_join(double speed, double now) const;
  [[nodiscard]] int steps_of_new_group(double speed, double now) const;
  [[nodiscard]] double fastest_of(const Group& group) const;
  void forget_if_empty(Groups::iterator group);

  CompassOptions options_;
  Groups groups_;
  std::map<NodeId, double> speeds_;
  GroupId next_ = 0;
};

struct FedCompassOptions {
  ClientPoolOptions clients;
  CompassOptions compass;
};

FedCompassOptions read_fedcompass(base::TableReader& common, base::TableReader& own);

class FedCompass : public FederatedSchedule {
 public:
  // Throws base::UserError where training.local_steps says something else than max_steps.
  FedCompass(const std::shared_ptr<const Setting>& setting, const FedCompassOptions& options);

  Orders on(const Event& event) override;

 private:
  enum class State { idle, training, waiting };  // waiting: for the version with its update
  struct Client {
    bool is_there = true;
    State state = State::idle;
    Arrivals::GroupId group = Arrivals::no_group;  // none: its first task, to be measured
    int steps = 0;
    double since = 0;  // s: when its task was assigned
  };
  struct Arrived {
    TaskId task = no_task;
    NodeId node = no_node;
  };

  void note(const Event& event);
  void task_done(const Event& event, NodeId node);
  void become_idle(NodeId node);
  void aggregate(std::vector<TaskId> tasks, std::vector<NodeId> waiting, Orders& orders);
  void aggregate_group(Arrivals::GroupId group, Orders& orders);
  void aggregate_all_due(Orders& orders);
  void assign_idle(double now, Orders& orders);
  void assign(NodeId node, double now, Orders& orders);

  CompassOptions options_;
  Arrivals arrivals_;
  ByNode<Client> nodes_;
  std::map<TaskId, NodeId> training_;
  std::set<NodeId> idle_;                                 // there, and without work
  std::vector<Arrived> alone_;                            // first tasks that ended at this instant
  std::set<Arrivals::GroupId> overdue_;                   // whose latest arrival is now
  std::map<Arrivals::GroupId, std::vector<Arrived>> in_;  // in time, by group
  std::vector<TaskId> general_;                           // the general buffer: too late
  std::map<TaskId, std::vector<NodeId>> wait_for_;        // by aggregation under way
};

}  // namespace convoy::sim
