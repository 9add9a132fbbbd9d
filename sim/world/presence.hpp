#pragma once

// Which nodes are present when: late joining, outages, final loss. Internal to sim/world.

#include <functional>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "platforms/traces/signal.hpp"
#include "sim/task/graph.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

// True if the node is present at the start of the run.
bool there_at_start(const NodeConfig& node);

class Presence {
 public:
  // Calls a function at a virtual time, after all other events due then.
  using After = std::function<void(double time, std::function<void()>)>;
  // A node has left (false) or come (true).
  using Changed = std::function<void(NodeId, bool present)>;

  Presence(const WorldConfig& config, After after, Changed changed);

  // Sets the first timers. `changed` is not called for nodes that are absent at time 0.
  void start();

  // A real node has come or gone. False if that changes nothing.
  bool real_node(NodeId node, bool present, bool for_good);

  [[nodiscard]] bool present(NodeId node) const { return reasons_[node] == 0; }
  // Away, but not for good.
  [[nodiscard]] bool expected(NodeId node) const { return !present(node) && !gone_[node]; }

 private:
  // Outages of one node, in order.
  struct Outages {
    NodeId node = no_node;
    std::vector<Outage> listed;
    std::size_t next = 0;
    std::optional<RandomOutages> random;
    base::Random generator{{}};
    double back = 0;  // end of the last outage
  };

  // Availability given by a trace.
  struct Availability {
    NodeId node = no_node;
    std::shared_ptr<const platforms::Signal> signal;
    bool there = true;
  };

  void away(NodeId node);
  void back(NodeId node);
  void plan(Outages& outages);
  void follow(Availability& a, double time);

  After after_;
  Changed changed_;
  ByNode<int> reasons_;     // how many reasons to be away
  ByNode<bool> gone_;       // lost for good
  ByNode<bool> lost_;       // at its lost_at_s, or by its trace
  ByNode<bool> unplugged_;  // real, and not connected
  std::vector<std::unique_ptr<Outages>> outages_;
  std::vector<std::unique_ptr<Availability>> availability_;
  std::vector<std::pair<NodeId, double>> joins_;
  std::vector<std::pair<NodeId, double>> losses_;
};

}  // namespace convoy::sim
