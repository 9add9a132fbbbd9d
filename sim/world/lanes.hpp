#pragma once

// Lanes of the nodes: which activities wait for them or have them, and each node's usage. Internal
// to sim/world.

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "sim/world/config.hpp"
#include "sim/world/memory.hpp"
#include "sim/world/on_demand.hpp"
#include "sim/world/power.hpp"
#include "sim/world/running.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Lanes {
 public:
  // `memory_changed`, `memory_waited`: see Memory. `config` must live as long as the lanes.
  Lanes(const WorldConfig& config, std::function<double()> now,
        std::function<void(NodeId)> memory_changed = {},
        std::function<void(const RunningTask&, double)> memory_waited = {});

  // Queue for the lanes: a ready activity joins; a cancelled one leaves.
  void join(RunningActivity& a);
  void leave(RunningActivity& a);
  // Takes the first activity that can start now, by priority and order, out of the queue. Null if
  // none can.
  RunningActivity* next();

  // See Memory. What make_room() makes wait is in no queue for lanes until next_verdict() gives it.
  Admission::Answer admit(RunningTask& task, bool waits) { return memory_.admit(task, waits); }
  Admission::Answer make_room(RunningActivity& a) { return memory_.make_room(a); }
  Admission::Verdict next_verdict() { return memory_.next_verdict(); }
  void withdraw(RunningActivity& a) { memory_.withdraw(a); }
  [[nodiscard]] Lacking lacking(const MemoryRequest& request) const {
    return memory_.lacking(request);
  }

  // An activity has its lanes and its memory from its start to its end. `ended`: not cancelled.
  void take(RunningActivity& a);
  void give_back(RunningActivity& a, bool ended);
  // A pass of the task begins; the task ends in any way.
  void begin_pass(RunningTask& task) { memory_.begin_pass(task); }
  void release(RunningTask& task) { memory_.release(task); }
  [[nodiscard]] double memory_taken(NodeId node) const { return memory_.taken(node); }

  // Energy of an activity that ends now, in J: its share of its nodes' draw since take(), plus the
  // cost of moving `bytes`, which is charged to their links.
  double charge(const RunningActivity& a, double bytes);
  // A transfer has ended.
  void count_bytes(const RunningActivity& a);

  // The node leaves (false) or comes (true).
  void set_present(NodeId node, bool present);

  // Usage up to now. Of a node that never worked it follows from its configuration.
  [[nodiscard]] NodeUsage usage(NodeId node);
  // The node's tasks that have ended are counted there.
  NodeUsage& counted(NodeId node);
  // See World.
  [[nodiscard]] std::size_t nodes_made() const { return nodes_.made(); }
  // The energy of usage() in J, without updating the sums: so the sums get the same bits, whether
  // or not somebody looks in between.
  [[nodiscard]] double energy_j(NodeId node) const;

 private:
  struct Node {
    int computing = 0;
    int compute_limit = 1;      // 0: no limit
    double shares = 0;          // of the computes that have a share
    int without_share = 0;      // the other computes
    int guaranteed = 0;         // of those with a share: they take what others leave, too
    double busy_w = 0;          // draw of a compute, unless it says
    std::vector<double> draws;  // of the present computes
    double computing_w = 0;     // the highest of them
    int sending = 0;
    int receiving = 0;
    int transfer_limit = 1;      // per direction; 0: no limit
    double joules_per_byte = 0;  // of the link
    std::optional<PowerMeter> meter;
    bool present = true;
    double since = 0;                       // usage is counted up to this time
    std::vector<RunningActivity*> waiting;  // by priority, then order
    int transfers_waiting = 0;              // of these
    NodeUsage usage;

    [[nodiscard]] PowerMeter::State state() const {
      return {present, computing, computing_w, busy(), sending + receiving};
    }
    // Of the processor, while something computes.
    [[nodiscard]] double busy() const {
      return without_share > 0 || guaranteed > 0 ? 1 : std::min(1.0, shares);
    }
  };

  [[nodiscard]] static Node made(const NodeConfig& config);
  Node& node(NodeId id) { return nodes_[id]; }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes_[id]; }
  void account(Node& n) const;
  // Energy per activity under way on a node, since the start of the run; use differences.
  double energy_share(NodeId node);
  [[nodiscard]] bool are_free(const RunningActivity& a) const;
  [[nodiscard]] static bool may_compute(const Node& n, double share);
  void take_processor(Node& n, const Activity& what);
  static void give_processor_back(Node& n, const Activity& what);
  // The first activity of a node's queue that can start; null if none can.
  [[nodiscard]] RunningActivity* first_at(NodeId node) const;

  std::function<double()> now_;
  const WorldConfig& config_;
  OnDemand<Node> nodes_;
  Memory memory_;
  std::vector<NodeId> touched_;  // where something may start now

  using Candidate = std::tuple<int, std::uint64_t, NodeId>;  // priority, order, node
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

}  // namespace convoy::sim
