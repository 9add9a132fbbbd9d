#include "analysis/report/plans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/report/columns.hpp"

namespace convoy::analysis {
namespace {

// A node's row in a plan.
struct PlanRow {
  std::size_t plan = 0;
  sim::PlannedNode node;
};

std::size_t shown_plans(const RunTables& run, const PageLimits& limits) {
  std::size_t rows = 0;
  std::size_t shown = 0;
  for (const StoredPlan& plan : run.plans) {
    rows += plan.record ? plan.record->nodes.size() : 0;
    if (shown == limits.plans || rows > limits.planned_nodes) break;
    ++shown;
  }
  return shown;
}

}  // namespace

Json plans_json(const RunTables& run, const PageLimits& limits) {
  const std::vector<StoredPlan> plans(
      run.plans.begin(), run.plans.begin() + static_cast<std::ptrdiff_t>(shown_plans(run, limits)));
  std::vector<PlanRow> rows;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    if (!plans[i].record) continue;
    for (const sim::PlannedNode& node : plans[i].record->nodes) {
      if (node.node < static_cast<sim::NodeId>(limits.nodes)) rows.push_back({i, node});
    }
  }
  const auto of_plan = [&](auto member) {
    return column(plans, [member](const StoredPlan& plan) {
      return plan.record ? Json(value_json((*plan.record).*member)) : Json();
    });
  };
  const auto of_node = [&](auto member) {
    return column(rows, [member](const PlanRow& row) { return value_json(row.node.*member); });
  };
  Json json = {{"time_s", column(plans, &StoredPlan::time_s)},
               {"cause", of_plan(&sim::PlanRecord::cause)},
               {"adopted", of_plan(&sim::PlanRecord::adopted)},
               {"round_s", of_plan(&sim::PlanRecord::round_s)},
               {"old_round_s", of_plan(&sim::PlanRecord::old_round_s)},
               {"best_round_s", of_plan(&sim::PlanRecord::best_round_s)},
               {"cost_s", of_plan(&sim::PlanRecord::cost_s)},
               {"text", column(plans, &StoredPlan::text)}};
  json["nodes"] = {{"plan", column(rows, &PlanRow::plan)},
                   {"node", of_node(&sim::PlannedNode::node)},
                   {"cut", of_node(&sim::PlannedNode::cut)},
                   {"cut_name", of_node(&sim::PlannedNode::cut_name)},
                   {"up_bytes_per_s", of_node(&sim::PlannedNode::up_bytes_per_s)},
                   {"down_bytes_per_s", of_node(&sim::PlannedNode::down_bytes_per_s)},
                   {"server_share", of_node(&sim::PlannedNode::server_share)},
                   {"predicted_s", of_node(&sim::PlannedNode::predicted_s)}};
  return json;
}

std::string plans_left_out(const RunTables& run, const PageLimits& limits) {
  const std::size_t shown = shown_plans(run, limits);
  if (shown == run.plans.size()) return "";
  return fmt::format("Of {} plans, the first {} are shown.", run.plans.size(), shown);
}

}  // namespace convoy::analysis
