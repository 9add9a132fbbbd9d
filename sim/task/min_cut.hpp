#pragma once

// Minimum cut of a directed graph (Dinic 1970). Exact for capacities that are whole numbers.

#include <cstddef>
#include <limits>
#include <vector>

namespace convoy::sim {

class MinCut {
 public:
  explicit MinCut(std::size_t nodes) : edges_of_(nodes) {}

  // `capacity` >= 0, may be infinite; but no way from source to sink may be infinite throughout.
  void add(std::size_t from, std::size_t to, double capacity) {
    edges_of_[from].push_back(edges_.size());
    edges_.push_back({to, capacity});
    edges_of_[to].push_back(edges_.size());
    edges_.push_back({from, 0});  // what can be taken back
  }

  // The capacity of the least cut between two nodes. Call once.
  double capacity(std::size_t source, std::size_t sink) {
    double flow = 0;
    while (find_levels(source, sink)) {
      next_.assign(edges_of_.size(), 0);
      while (const double more = push(source, sink)) flow += more;
    }
    return flow;
  }

 private:
  struct Edge {
    std::size_t to = 0;
    double left = 0;
  };

  // Distances from the source by edges with something left.
  bool find_levels(std::size_t source, std::size_t sink) {
    level_.assign(edges_of_.size(), -1);
    level_[source] = 0;
    std::vector<std::size_t> order = {source};
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (const std::size_t e : edges_of_[order[i]]) {
        const std::size_t to = edges_[e].to;
        if (edges_[e].left <= 0 || level_[to] >= 0) continue;
        level_[to] = level_[order[i]] + 1;
        order.push_back(to);
      }
    }
    return level_[sink] >= 0;
  }

  // Pushes flow along one shortest way; 0: there is none.
  double push(std::size_t source, std::size_t sink) {
    std::vector<std::size_t> way;  // edges
    std::size_t at = source;
    while (at != sink) {
      if (next_[at] < edges_of_[at].size()) {
        const std::size_t e = edges_of_[at][next_[at]];
        const std::size_t to = edges_[e].to;
        if (edges_[e].left > 0 && level_[to] == level_[at] + 1) {
          way.push_back(e);
          at = to;
        } else {
          ++next_[at];
        }
        continue;
      }
      if (way.empty()) return 0;
      at = edges_[way.back() ^ 1].to;  // a dead end: back
      way.pop_back();
      ++next_[at];
    }
    double most = std::numeric_limits<double>::infinity();
    for (const std::size_t e : way) most = edges_[e].left < most ? edges_[e].left : most;
    for (const std::size_t e : way) {
      edges_[e].left -= most;
      edges_[e ^ 1].left += most;
    }
    return most;
  }

  std::vector<Edge> edges_;  // each followed by its opposite
  std::vector<std::vector<std::size_t>> edges_of_;
  std::vector<int> level_;
  std::vector<std::size_t> next_;
};

}  // namespace convoy::sim
