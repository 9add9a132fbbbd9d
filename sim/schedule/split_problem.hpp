#pragma once

// The problem of a split plan (sim/plan/edgesplit.hpp), made from the setting: all nodes have the
// same places to cut, each with the node's own costs (split_cost), its memory and its link.
//
// A node's link counts by its slower direction, so that a limit for both directions holds in both.
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
  bool recompute = false;    // see SplitWork
  bool server_is_shared = true;
  // B. Nothing: the slower direction of the server's link; if that has no rate, the sum of the
  // nodes' links.
  std::optional<double> bandwidth_bytes_per_s;
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

 private:
  // A kind of node: all that the costs depend on.
  using Key = std::tuple<const platforms::Machine*, std::int64_t, int>;

  void find_places(bool labels_stay);
  [[nodiscard]] std::string why_not(int cut, int tail) const;
  void find_bandwidth(std::optional<double> wanted);
  [[nodiscard]] const std::vector<SplitCost>& costs(NodeId node) const;

  std::shared_ptr<const Setting> setting_;
  SplitProblemOptions options_;
  engine::Trace trace_;
  std::vector<SplitPlace> places_;
  double bandwidth_ = 0;
  mutable std::map<Key, std::vector<SplitCost>> costs_;  // filled on demand
};

// The slower direction of a link, bytes/s; infinite for one without a rate.
double slower_direction(const platforms::Link& link);

}  // namespace convoy::sim
