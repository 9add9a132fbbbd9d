#pragma once

// Who is given work next, where fewer may be at work than are there. Fair: who has begun the fewest
// tasks goes first; of several a draw decides. Without a limit there is nothing to decide: all that
// rest are asked, in the order of their numbers, and nothing is drawn.
//
//   Turns turns = clients.turns(options.at_work);
//   while (const auto node = turns.next()) ...;  // it is at work now, until turns.ended(*node)

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "base/random.hpp"
#include "base/table_reader.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

// How many of the nodes that are there: a number, a share in (0, 1], or all of them.
struct HowMany {
  std::optional<std::int64_t> number;  // at least 1; may be more than there are
  std::optional<double> share;

  [[nodiscard]] bool is_all() const { return !number && !share; }
  // A share to the nearest whole number, but at least one.
  [[nodiscard]] std::size_t of(std::size_t there) const;
};

// Reads a key that is a number of nodes or a share: 1 and 2.0 are numbers, 0.1 and 1.0 shares.
HowMany read_how_many(base::TableReader& reader, const base::Key& key);
// `at_work`, a schedule's limit.
HowMany read_at_work(base::TableReader& own);

class Turns {
 public:
  // All nodes count as there, and none as resting. Those that never take part are lost() at once,
  // and never joined(): a share is one of the others.
  Turns(std::uint64_t seed, std::size_t nodes, HowMany limit);

  void joined(NodeId node);
  void lost(NodeId node);   // it rests no more; if it was at work, ended() follows
  void rests(NodeId node);  // it can be given work; nothing where it is away
  void ended(NodeId node);  // its task came to an end, whichever

  // The next to be given work, which is then at work; nobody where none rests or no more may.
  std::optional<NodeId> next();

  [[nodiscard]] std::size_t at_work() const { return at_work_; }

 private:
  struct Node {
    bool there = true;
    bool at_work = false;
    std::int64_t begun = 0;  // tasks
    std::uint64_t draw = 0;  // since it rests
    bool rests = false;
  };
  using Place = std::tuple<std::int64_t, std::uint64_t, NodeId>;

  Node& at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  [[nodiscard]] Place place(NodeId node);

  HowMany limit_;
  base::Random random_;
  std::vector<Node> nodes_;
  std::set<Place> resting_;
  std::size_t there_ = 0;  // the server aside
  std::size_t at_work_ = 0;
};

}  // namespace convoy::sim
