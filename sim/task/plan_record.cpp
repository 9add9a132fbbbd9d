#include "sim/task/plan_record.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/diagnostics.hpp"

namespace convoy::sim {
namespace {

using Json = nlohmann::ordered_json;

// Of a plan's JSON: writes and reads the same columns.
template <class Visit>
void for_each_plan_column(Visit visit) {
  visit("node", &PlannedNode::node);
  visit("cut", &PlannedNode::cut);
  visit("cut_name", &PlannedNode::cut_name);
  visit("up_bytes_per_s", &PlannedNode::up_bytes_per_s);
  visit("down_bytes_per_s", &PlannedNode::down_bytes_per_s);
  visit("server_share", &PlannedNode::server_share);
  visit("predicted_s", &PlannedNode::predicted_s);
}

double amount_of(const Json& value, const char* key) {
  const double number = value.get<double>();
  if (std::isfinite(number) && number >= 0) return number;
  throw base::UserError(fmt::format("\"{}\" is not a number of at least 0", key));
}

void read_into(PlannedNode& node, double PlannedNode::*member, const Json& value, const char* key) {
  node.*member = amount_of(value, key);
}
template <class Member>
void read_into(PlannedNode& node, Member PlannedNode::*member, const Json& value,
               const char* /*key*/) {
  node.*member = value.get<Member>();
}

}  // namespace

std::string plan_text(const PlanRecord& plan) {
  Json json;
  json["cause"] = plan.cause;
  json["adopted"] = plan.adopted;
  json["round_s"] = plan.round_s;
  json["old_round_s"] = plan.old_round_s ? Json(*plan.old_round_s) : Json();
  json["best_round_s"] = plan.best_round_s;
  json["cost_s"] = plan.cost_s;
  Json& nodes = json["nodes"];
  for_each_plan_column([&](const char* key, auto member) {
    Json& all = nodes[key] = Json::array();
    for (const PlannedNode& node : plan.nodes) all.push_back(node.*member);
  });
  // What is no UTF-8 in a name must not stop a run.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

PlanRecord read_plan(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    PlanRecord plan;
    plan.cause = json.at("cause").get<std::string>();
    plan.adopted = json.at("adopted").get<bool>();
    plan.round_s = amount_of(json.at("round_s"), "round_s");
    const Json& old = json.at("old_round_s");
    if (!old.is_null()) plan.old_round_s = amount_of(old, "old_round_s");
    plan.best_round_s = amount_of(json.at("best_round_s"), "best_round_s");
    plan.cost_s = amount_of(json.at("cost_s"), "cost_s");
    const Json& nodes = json.at("nodes");
    plan.nodes.resize(nodes.at("node").size());
    for_each_plan_column([&](const char* key, auto member) {
      const Json& all = nodes.at(key);
      if (!all.is_array() || all.size() != plan.nodes.size()) {
        throw base::UserError(fmt::format("\"{}\" is not a list of {}", key, plan.nodes.size()));
      }
      for (std::size_t i = 0; i < all.size(); ++i) read_into(plan.nodes[i], member, all[i], key);
    });
    return plan;
  } catch (const nlohmann::json::exception& error) {
    throw base::UserError(fmt::format("it is no plan: {}", error.what()));
  }
}

}  // namespace convoy::sim
