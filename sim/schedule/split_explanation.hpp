#pragma once

// How a schedule splits the model between nodes and server: plain data, for `convoy plan`.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sim/task/graph.hpp"

namespace convoy::sim {

// A node's part of the model and its shares, in a round.
struct SplitRow {
  NodeId node = no_node;
  int cut = 0;   // it has the layers [0, cut)
  int tail = 0;  // and [tail, n); 0: none at the end
  std::string cut_name;
  bool by_hand = false;              // the cut was given, not planned
  double activation_bytes = 0;       // that leave the node with a batch of full size
  double gradient_bytes = 0;         // that come back for it
  double node_bytes = 0;             // memory that the task needs on the node
  double node_memory = 0;            // that it has; infinite: no limit is known
  double server_bytes = 0;           // memory that the task needs at the server
  double bandwidth_bytes_per_s = 0;  // its share of what all share; and the rates that follow
  double up_bytes_per_s = 0;         // of its transfers to the server
  double down_bytes_per_s = 0;       // of those from the server
  double server_share = 0;           // 0: the server is not shared
  double predicted_s = 0;            // its round; no waiting in the network
};

struct SplitTable {
  std::vector<SplitRow> rows;
  std::size_t bottleneck = 0;  // index of a row
  double round_s = 0;          // the longest
  // Where cuts were planned: no cuts are faster than this.
  std::optional<double> lower_bound_s;
  bool is_optimal = false;  // the round is that bound
};

// Another way to split, with the same costs.
struct SplitAlternative {
  std::string name;
  std::optional<double> round_s;  // nothing: it is not possible
  std::string why_not;
  std::vector<std::string> cuts;  // by row of the plan
};

struct SplitExplanation {
  int layers = 0;  // of the model
  double bandwidth_bytes_per_s = 0;
  double server_memory = 0;  // infinite: no limit is known
  bool in_turn = false;      // one node after another: a round is the sum of its tasks
  int versions = 1;          // of the model, that a round makes
  SplitTable plan;
  std::optional<SplitTable> planned;  // without the cuts given by hand, where there are some
  std::string planned_as = "without the cuts given by hand";
  std::vector<std::string> notes;  // what a reader must know, a sentence each
  std::vector<SplitAlternative> alternatives;
};

}  // namespace convoy::sim
