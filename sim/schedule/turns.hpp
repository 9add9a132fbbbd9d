#pragma once

// Which node gets work next if fewer nodes may be at work than are present. Fair: the node that has
// begun the fewest tasks is next; a draw decides between several. Without a limit all resting nodes
// get work in the order of their numbers, without draws.
//
//   Turns turns = clients.turns(options.at_work);
//   while (const auto node = turns.next()) ...;  // it is at work now, until turns.ended(*node)

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "base/random.hpp"
#include "base/table_reader.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// A number of nodes: fixed, a share in (0, 1] of the nodes present, or all of them.
struct HowMany {
  std::optional<std::int64_t> number;  // at least 1; may exceed the nodes present
  std::optional<double> share;

  [[nodiscard]] bool is_all() const { return !number && !share; }
  // The number for `there` present nodes; a share is rounded, but gives at least one.
  [[nodiscard]] std::size_t of(std::size_t there) const;
};

// Reads a key that is a number of nodes or a share: 1 and 2.0 are numbers, 0.1 and 1.0 are shares.
HowMany read_how_many(base::TableReader& reader, const base::Key& key);
// Reads `at_work`, a schedule's limit.
HowMany read_at_work(base::TableReader& own);

class Turns {
 public:
  // At first all nodes count as present, and none as resting. Call lost() for nodes that never take
  // part, and never joined(): then shares do not count them.
  Turns(std::uint64_t seed, std::size_t nodes, HowMany limit);

  void joined(NodeId node);
  void lost(NodeId node);   // no longer resting; if it was at work, ended() must follow
  void rests(NodeId node);  // it can get work; ignored for an absent node
  void ended(NodeId node);  // its task ended, successfully or not

  // The next node to get work, which then counts as at work. Nothing: no node rests, or the limit
  // is reached.
  std::optional<NodeId> next();

  [[nodiscard]] std::size_t at_work() const { return at_work_; }

 private:
  struct Node {
    std::uint64_t draw = 0;   // drawn when it began to rest
    std::uint32_t begun = 0;  // tasks
    bool there = true;
    bool at_work = false;
    bool rests = false;
  };
  using Place = std::tuple<std::uint64_t, std::uint64_t, NodeId>;  // tasks begun, draw

  Node& at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  [[nodiscard]] Place place(NodeId node);
  // Of the node that is next; nothing: none rests.
  [[nodiscard]] std::optional<Place> first();

  HowMany limit_;
  base::Random random_;
  std::vector<Node> nodes_;
  // Of the nodes that rest, and old places of nodes that do no longer. Room of a million nodes: a
  // set would take four times as much.
  std::priority_queue<Place, std::vector<Place>, std::greater<>> places_;
  std::size_t resting_ = 0;
  std::size_t there_ = 0;  // present nodes without the server
  std::size_t at_work_ = 0;
};

}  // namespace convoy::sim
