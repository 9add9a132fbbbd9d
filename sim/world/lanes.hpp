#pragma once

// The lanes and the memory of the nodes: who waits for them, who has them, and how each node's time
// was spent. Internal to sim/world.

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

  // Waiting for lanes: an activity that is ready joins; one that is given up leaves.
  void join(RunningActivity& a);
  void leave(RunningActivity& a);
  // Of all that could start now the first by priority, then order; it waits no longer. Null where
  // nothing can.
  RunningActivity* next();

  // Having lanes and memory, from the start of an activity to its end.
  [[nodiscard]] bool has_memory_for(const RunningActivity& a) const;
  void take(RunningActivity& a);
  void give_back(RunningActivity& a);

  // Joules of an activity that ends now: its share of what its nodes drew since take(), and what
  // moving so many bytes costs, which is charged to their links.
  double charge(const RunningActivity& a, double bytes);
  // A transfer has ended.
  void count_bytes(const RunningActivity& a);

  // The node goes (false) or comes (true).
  void set_present(NodeId node, bool present);

  // Counted up to now.
  NodeUsage& usage(NodeId node);
  // Of that the energy, in joules, without closing the books: the sums of usage() come in the same
  // steps, and to the same last bit, whether or not somebody looks in between.
  [[nodiscard]] double energy_j(NodeId node) const;

 private:
  struct Node {
    int computing = 0;
    std::optional<double> computing_w;  // of what is computed
    int sending = 0;
    int receiving = 0;
    int transfer_limit = 1;  // each way; 0: none
    double memory = 0;       // 0: without limit
    double memory_used = 0;
    std::shared_ptr<const platforms::Signal> memory_free;  // by its trace
    double joules_per_byte = 0;                            // of its link
    std::optional<PowerMeter> meter;
    bool present = true;
    double since = 0;                       // usage is accounted for up to here
    std::vector<RunningActivity*> waiting;  // by priority, then order
    NodeUsage usage;

    [[nodiscard]] PowerMeter::State state() const {
      return {present, computing > 0, computing_w, sending + receiving};
    }
  };

  Node& node(NodeId id) { return nodes_[id]; }
  [[nodiscard]] const Node& node(NodeId id) const { return nodes_[id]; }
  void account(Node& n) const;
  // Joules that one activity under way on a node has had so far: take two, subtract.
  double energy_share(NodeId node);
  [[nodiscard]] bool are_free(const RunningActivity& a) const;
  // The first of a node's queue that could start; null where none can.
  [[nodiscard]] RunningActivity* first_at(NodeId node) const;

  std::function<double()> now_;
  ByNode<Node> nodes_;
  std::vector<NodeId> touched_;  // where something may start now

  using Candidate = std::tuple<int, std::uint64_t, NodeId>;  // priority, order, where
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

}  // namespace convoy::sim
