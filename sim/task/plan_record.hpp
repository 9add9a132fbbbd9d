#pragma once

// What a schedule that splits the model writes into the journal when it makes a plan, or looks for
// one and keeps what it has. The text is one JSON object with the names of the members below as
// keys; `nodes` is an object of columns. Stores of before have other texts, which do not begin with
// "{".

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/task/graph.hpp"

namespace convoy::sim {

struct PlannedNode {
  NodeId node = no_node;
  int cut = 0;  // it has the layers [0, cut)
  std::string cut_name;
  double up_bytes_per_s = 0;    // of each transfer to the server; 0: all that the links give
  double down_bytes_per_s = 0;  // of each transfer from the server, likewise
  double server_share = 0;      // of the server's compute, (0, 1]; 0: it is not shared
  double predicted_s = 0;       // its round

  friend bool operator==(const PlannedNode&, const PlannedNode&) = default;
};

struct PlanRecord {
  std::string cause;    // why now: "first", "devices", "change", "period"
  bool adopted = true;  // the best cuts found were taken; false: the cuts of before were kept
  double round_s = 0;   // predicted, of what the schedule goes on with
  // Predicted, with what is known now, of the plan of before as it was, shares included. Nothing:
  // there was none for these nodes.
  std::optional<double> old_round_s;
  double best_round_s = 0;  // predicted, of the best cuts found: round_s, where they were adopted
  double cost_s = 0;        // of a move to them
  std::vector<PlannedNode> nodes;  // by rising node

  friend bool operator==(const PlanRecord&, const PlanRecord&) = default;
};

std::string plan_text(const PlanRecord& plan);

// Throws base::UserError for a text that is no such object: what is wrong with it.
PlanRecord read_plan(const std::string& text);

inline bool is_plan_record(std::string_view text) { return text.starts_with("{"); }

}  // namespace convoy::sim
