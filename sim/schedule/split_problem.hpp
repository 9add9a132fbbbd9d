#pragma once

// The problem of a split plan (sim/plan/edgesplit.hpp), made from the setting: all nodes have the
// same places to cut, each with the node's own costs (split_cost), its memory and its link.
//
// One share of the bandwidth holds for both directions of a device, each of which is limited by
// itself. A node that has all that its link gives has the rates U up and D down, each at most that
// direction of the shared bandwidth (Bu, Bd). With the share f of them, 0 < f <= 1, its transfers
// take (bytes_up / U + bytes_down / D) / f. It takes the larger of f U / Bu and f D / Bd of what
// all share, so that what the shares sum to is kept in both directions, also where one medium
// carries both (a device does one thing at a time). The planner's bandwidth, bytes and limit of a
// device are these in units of B, the slower of Bu and Bd:
//
//   limit = max(U B / Bu, D B / Bd),   b = f limit,   bytes = (bytes_up / U + bytes_down / D) limit
//
// which are the device's link and its bytes where both directions are equal. A condition's link is
// the slower direction's rate; if it is less than nominal, both directions have so much less.
// The latency of a message is that of the node's link and of the server's; links shared by several
// nodes (fleet.shared_links) are no part of the setting. A model is cut only where both the node
// and the server have something to train.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "engine/model/trace.hpp"
#include "sim/plan/edgesplit.hpp"
#include "sim/plan/replanner.hpp"
#include "sim/schedule/split_update.hpp"

namespace convoy::sim {

struct SplitProblemOptions {
  bool labels_stay = false;  // on the node, which then has the last layer, too
  int tail = 0;              // then: where its last layers begin; 0: the last possible cut
  int also = 0;            // a cut that is a place even where a side has nothing to train; 0: none
  bool recompute = false;  // see SplitWork, as the next two
  bool shared = false;
  bool own = false;
  bool server_is_shared = true;
  // In each direction. Nothing: that of the server's link; if that has no rate, the sum of the
  // nodes' links.
  std::optional<double> bandwidth_bytes_per_s;
};

// Rates of a node that has all that its link gives, and its limit as the planner has it, bytes/s.
struct FullRates {
  double up = 0;
  double down = 0;
  double limit = 0;
};

// Where a model can be cut.
struct SplitPlace {
  int cut = 0;
  int tail = 0;  // 0: the node has no layers at the end
  std::string name;
};

class SplitProblems {
 public:
  // Throws base::UserError for a model that has no place to cut, for fixed costs, and for a
  // bandwidth that the server's link does not have.
  SplitProblems(std::shared_ptr<const Setting> setting, const SplitProblemOptions& options);

  // By rising cut; SplitDevice::cuts are in this order.
  [[nodiscard]] const std::vector<SplitPlace>& places() const { return places_; }
  // The place that a user names, as engine::read_cut(). `key` is what the error begins with.
  [[nodiscard]] std::size_t read(const std::string& text, const std::string& key) const;
  [[nodiscard]] int layers() const { return static_cast<int>(trace_.layers.size()); }
  [[nodiscard]] double bandwidth_bytes_per_s() const { return bandwidth_; }

  // Without limit and share.
  [[nodiscard]] SplitWork work(std::size_t place) const;
  // For a link as it is known (Condition::link_bytes_per_s).
  [[nodiscard]] FullRates full_rates(NodeId node, double link_bytes_per_s) const;
  [[nodiscard]] const SplitCost& cost(NodeId node, std::size_t place) const;
  // Some part fits its memory; and the place whose part needs the least.
  [[nodiscard]] bool fits_somewhere(NodeId node) const;
  [[nodiscard]] std::size_t smallest(NodeId node) const;

  // As in the setting: by node; the server's link does not count.
  [[nodiscard]] ByNode<Condition> nominal() const;
  // Of these nodes, in this order. `conditions`: by node; speeds as shares of the nominal one.
  [[nodiscard]] SplitProblem of(std::span<const NodeId> nodes,
                                const ByNode<Condition>& conditions) const;
  [[nodiscard]] double latency_s(NodeId node) const;  // of a message
  [[nodiscard]] const platforms::Link& link(NodeId node) const {
    return setting_->nodes[node].link;
  }

 private:
  // A kind of node: all that the costs depend on.
  using Key = std::tuple<const platforms::Machine*, std::int64_t, int>;

  void find_places();
  [[nodiscard]] std::string why_not(int cut, int tail) const;
  void find_bandwidth(std::optional<double> wanted);
  [[nodiscard]] const std::vector<SplitCost>& costs(NodeId node) const;

  std::shared_ptr<const Setting> setting_;
  SplitProblemOptions options_;
  engine::Trace trace_;
  std::vector<SplitPlace> places_;
  double bandwidth_ = 0;  // B; by direction:
  double bandwidth_up_ = 0;
  double bandwidth_down_ = 0;
  mutable std::map<Key, std::vector<SplitCost>> costs_;  // filled on demand
};

// The slower direction of a link, bytes/s; infinite for one without a rate.
double slower_direction(const platforms::Link& link);

}  // namespace convoy::sim
