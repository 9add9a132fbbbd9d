#pragma once

// Who is there and when: late joining, outages, loss for good. Internal to sim/world.

#include <functional>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "platforms/traces/signal.hpp"
#include "sim/task/graph.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

// Whether a node is there when the run begins.
bool there_at_start(const NodeConfig& node);

class Presence {
 public:
  // Calls back at a virtual time, after everything else that is due then.
  using After = std::function<void(double time, std::function<void()>)>;
  // A node left (false) or came (true).
  using Changed = std::function<void(NodeId, bool present)>;

  Presence(const WorldConfig& config, After after, Changed changed);

  // Sets the first timers. Nodes that are away at time 0 are so without a call of `changed`.
  void start();

  // A real node comes and goes by itself. False where nothing changes by it.
  bool real_node(NodeId node, bool present, bool for_good);

  [[nodiscard]] bool present(NodeId node) const { return reasons_[node] == 0; }
  // Away, but not for good.
  [[nodiscard]] bool expected(NodeId node) const { return !present(node) && !gone_[node]; }

 private:
  // The outages of one node, one after another.
  struct Outages {
    NodeId node = no_node;
    std::vector<Outage> listed;
    std::size_t next = 0;
    std::optional<RandomOutages> random;
    base::Random generator{{}};
    double back = 0;  // end of the last one
  };

  // Availability by a trace.
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
