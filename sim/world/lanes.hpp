#pragma once

// Lanes and memory of the nodes: which activities wait for them or hold them, and each node's
// usage. Internal to sim/world.

#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "sim/world/config.hpp"
#include "sim/world/power.hpp"
#include "sim/world/running.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Lanes {
 public:
  Lanes(const WorldConfig& config, std::function<double()> now);

  // Queue for the lanes: a ready activity joins; a cancelled one leaves.
  void join(RunningActivity& a);
  void leave(RunningActivity& a);
  // Takes the first activity that can start now, by priority and order, out of the queue. Null if
  // none can.
  RunningActivity* next();

  // An activity holds its lanes and its memory from its start to its end.
  [[nodiscard]] bool has_memory_for(const RunningActivity& a) const;
  void take(RunningActivity& a);
  void give_back(RunningActivity& a);

  // Energy of an activity that ends now, in J: its share of its nodes' draw since take(), plus the
  // cost of moving `bytes`, which is charged to their links.
  double charge(const RunningActivity& a, double bytes);
  // A transfer has ended.
  void count_bytes(const RunningActivity& a);

  // The node leaves (false) or comes (true).
  void set_present(NodeId node, bool present);

  // Usage up to now.
  NodeUsage& usage(NodeId node);
  // The energy of usage() in J, without updating the sums: so the sums get the same bits, whether
  // or not somebody looks in between.
  [[nodiscard]] double energy_j(NodeId node) const;

 private:
  struct Node {
    int computing = 0;
    std::optional<double> computing_w;  // draw of the present compute
    int sending = 0;
    int receiving = 0;
    int transfer_limit = 1;  // per direction; 0: no limit
    double memory = 0;       // 0: no limit
    double memory_used = 0;
    std::shared_ptr<const platforms::Signal> memory_free;  // limit by the trace
    double joules_per_byte = 0;                            // of the link
    std::optional<PowerMeter> meter;
    bool present = true;
    double since = 0;                       // usage is counted up to this time
    std::vector<RunningActivity*> waiting;  // by priority, then order
    NodeUsage usage;

    [[nodiscard]] PowerMeter::State state() const {
      return {present, computing > 0, computing_w, sending + receiving};
    }
  };

  Node& node(NodeId id) { return nodes_[id]; }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes_[id]; }
  void account(Node& n) const;
  // Energy per activity under way on a node, since the start of the run; use differences.
  double energy_share(NodeId node);
  [[nodiscard]] bool are_free(const RunningActivity& a) const;
  // The first activity of a node's queue that can start; null if none can.
  [[nodiscard]] RunningActivity* first_at(NodeId node) const;

  std::function<double()> now_;
  ByNode<Node> nodes_;
  std::vector<NodeId> touched_;  // where something may start now

  using Candidate = std::tuple<int, std::uint64_t, NodeId>;  // priority, order, node
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

}  // namespace convoy::sim
