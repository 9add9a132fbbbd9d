// convoy plan for split learning: cuts, shares, what they cost, predicted and in a simulated round.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/text.hpp"
#include "cli/plan_views.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "sim/run/run.hpp"

namespace convoy::cli {
namespace {

using base::human_bytes;
using base::human_seconds;
using nlohmann::ordered_json;

// One round, as the scenario says, but without learning and with simulated nodes only.
struct SimulatedRound {
  sim::ByNode<double> tasks_s;      // by node; 0 or missing: it made no update
  bool in_turn = false;             // one task after another
  std::optional<double> version_s;  // end of the aggregation
  std::string failure;              // why there was no version

  [[nodiscard]] std::optional<double> of(sim::NodeId node) const {
    if (!tasks_s.has(node) || tasks_s[node] <= 0) return std::nullopt;
    return tasks_s[node];
  }
  [[nodiscard]] std::optional<double> length() const {
    if (tasks_s.empty()) return std::nullopt;
    if (in_turn) return std::accumulate(tasks_s.begin(), tasks_s.end(), 0.0);
    return *std::ranges::max_element(tasks_s);
  }
};

SimulatedRound simulate_round(sim::Scenario scenario, const sim::SplitExplanation& explanation) {
  scenario = timing_only(std::move(scenario));
  scenario.stop = {.rounds = explanation.versions};
  SimulatedRound round{.in_turn = explanation.in_turn};
  const sim::RunResult result = sim::run(scenario, {});
  round.tasks_s = result.summary.last_task_s;
  if (result.status == sim::RunStatus::done) {
    round.version_s = result.summary.virtual_time_s;
  } else {
    round.failure = result.cause;
  }
  return round;
}

// --- text ---------------------------------------------------------------------------------------

std::string layers_here(const sim::SplitRow& row, int layers) {
  std::string text = fmt::format("[0, {}) to {}", row.cut, row.cut_name);
  if (row.tail > 0) text += fmt::format(", [{}, {})", row.tail, layers);
  return text + (row.by_hand ? " (by hand)" : "");
}

std::string layers_there(const sim::SplitRow& row, int layers) {
  return fmt::format("[{}, {})", row.cut, row.tail > 0 ? row.tail : layers);
}

std::string memory_text(const sim::SplitRow& row) {
  if (!std::isfinite(row.node_memory)) return human_bytes(row.node_bytes);
  return fmt::format("{} of {}", human_bytes(row.node_bytes), human_bytes(row.node_memory));
}

std::string seconds_or_none(std::optional<double> seconds) {
  return seconds ? human_seconds(*seconds) : "none";
}

// `round`: null for a plan that is not simulated.
void print_split(const sim::Scenario& scenario, const sim::SplitExplanation& explanation,
                 const sim::SplitTable& split, const SimulatedRound* round) {
  std::vector<std::string> headings = {"<node",       "<layers here", "<at server", "up a step",
                                       "down a step", "memory",       "at server",  "bandwidth",
                                       "server",      "predicted"};
  if (round != nullptr) headings.emplace_back("simulated");
  Table table(headings);
  for (std::size_t i = 0; i < split.rows.size(); ++i) {
    const sim::SplitRow& row = split.rows[i];
    const bool is_slowest = i == split.bottleneck;
    std::vector<std::string> cells = {
        scenario.world.nodes[row.node].name.of(row.node) + (is_slowest ? " *" : ""),
        layers_here(row, explanation.layers),
        layers_there(row, explanation.layers),
        human_bytes(row.activation_bytes),
        human_bytes(row.gradient_bytes),
        memory_text(row),
        human_bytes(row.server_bytes),
        base::human_rate(8 * row.bandwidth_bytes_per_s),
        row.server_share > 0 ? fmt::format("{:.1f} %", 100 * row.server_share) : "not shared",
        human_seconds(row.predicted_s)};
    if (round != nullptr) cells.push_back(seconds_or_none(round->of(row.node)));
    table.add(std::move(cells));
  }
  fmt::print("{}  * {}\n", table.str(),
             explanation.in_turn ? "the longest task"
                                 : "the bottleneck: the round shortens most if it gets faster");
  fmt::print("Predicted round: {}", human_seconds(split.round_s));
  if (split.lower_bound_s && split.is_optimal) {
    fmt::print("; no plan is faster");
  } else if (split.lower_bound_s) {
    fmt::print("; no plan is faster than {}", human_seconds(*split.lower_bound_s));
  }
  fmt::print("\n");
}

void print_round(const SimulatedRound& round) {
  if (!round.failure.empty()) {
    fmt::print("Simulated round: it failed: {}\n", base::escaped(round.failure));
    return;
  }
  fmt::print("Simulated round: {}; with the aggregation {}\n", seconds_or_none(round.length()),
             seconds_or_none(round.version_s));
}

std::string cuts_text(const sim::SplitAlternative& other) {
  if (!other.round_s) return "not possible: " + other.why_not;
  const bool all_one = std::ranges::all_of(
      other.cuts, [&](const std::string& cut) { return cut == other.cuts.front(); });
  if (all_one) return other.cuts.front();
  return fmt::format("{}", fmt::join(other.cuts, ", "));
}

void print_alternatives(const sim::SplitExplanation& explanation) {
  if (explanation.alternatives.empty()) return;
  Table table({"<how", "round", "of the plan's", "<cuts"});
  for (const sim::SplitAlternative& other : explanation.alternatives) {
    const std::string times =
        other.round_s ? fmt::format("{:.2f}x", *other.round_s / explanation.plan.round_s) : "";
    table.add({other.name, seconds_or_none(other.round_s), times, cuts_text(other)});
  }
  fmt::print("\nOther ways to split, predicted with the same costs\n{}", table.str());
}

void print_plan(const sim::Scenario& scenario, const sim::SplitExplanation& explanation,
                const SimulatedRound& round) {
  fmt::print("{}: {} with {} of {} layers; {} {}, and {} of the server's memory\n\n", scenario.name,
             scenario.schedule.kind, scenario.setting->architecture->name, explanation.layers,
             explanation.in_turn ? "one node after another has" : "the nodes share",
             base::human_rate(8 * explanation.bandwidth_bytes_per_s),
             std::isfinite(explanation.server_memory) ? human_bytes(explanation.server_memory)
                                                      : "no known limit");
  print_split(scenario, explanation, explanation.plan, &round);
  print_round(round);
  if (explanation.planned) {
    std::string as = explanation.planned_as;
    as.front() = static_cast<char>(std::toupper(as.front()));
    fmt::print("\n{}: {:.2f}x as long\n", as,
               explanation.planned->round_s / explanation.plan.round_s);
    print_split(scenario, explanation, *explanation.planned, nullptr);
  }
  print_alternatives(explanation);
  for (const std::string& note : explanation.notes) fmt::print("note: {}\n", note);
}

// --- JSON ---------------------------------------------------------------------------------------

ordered_json layers_json(const sim::SplitRow& row, int layers) {
  ordered_json all = ordered_json::array({{0, row.cut}});
  if (row.tail > 0) all.push_back({row.tail, layers});
  return all;
}

ordered_json split_json(const sim::Scenario& scenario, const sim::SplitExplanation& explanation,
                        const sim::SplitTable& split, const SimulatedRound* round) {
  ordered_json nodes = ordered_json::array();
  for (const sim::SplitRow& row : split.rows) {
    ordered_json node;
    node["node"] = scenario.world.nodes[row.node].name.of(row.node);
    node["device"] = scenario.identities[row.node].device;
    node["cut"] = row.cut;
    node["cut_name"] = row.cut_name;
    node["by_hand"] = row.by_hand;
    node["layers"] = layers_json(row, explanation.layers);
    node["server_layers"] = {row.cut, row.tail > 0 ? row.tail : explanation.layers};
    node["activation_bytes"] = row.activation_bytes;
    node["gradient_bytes"] = row.gradient_bytes;
    node["memory_bytes"] = row.node_bytes;
    node["memory_available_bytes"] = number_or_null(row.node_memory);
    node["server_memory_bytes"] = row.server_bytes;
    node["bandwidth_bytes_per_s"] = row.bandwidth_bytes_per_s;
    node["up_bytes_per_s"] = row.up_bytes_per_s;
    node["down_bytes_per_s"] = row.down_bytes_per_s;
    node["server_share"] =
        number_or_null(row.server_share > 0 ? std::optional(row.server_share) : std::nullopt);
    node["predicted_s"] = row.predicted_s;
    if (round != nullptr) node["simulated_s"] = number_or_null(round->of(row.node));
    nodes.push_back(std::move(node));
  }
  const sim::NodeId bottleneck = split.rows.at(split.bottleneck).node;
  ordered_json json;
  json["round_s"] = split.round_s;
  json["lower_bound_s"] = number_or_null(split.lower_bound_s);
  json["optimal"] = split.is_optimal;
  json["bottleneck"] = scenario.world.nodes[bottleneck].name.of(bottleneck);
  json["nodes"] = std::move(nodes);
  return json;
}

ordered_json alternatives_json(const sim::SplitExplanation& explanation) {
  ordered_json all = ordered_json::array();
  for (const sim::SplitAlternative& other : explanation.alternatives) {
    ordered_json one;
    one["name"] = other.name;
    one["round_s"] = number_or_null(other.round_s);
    one["cuts"] = other.cuts;
    one["why_not"] = other.round_s ? ordered_json(nullptr) : ordered_json(other.why_not);
    all.push_back(std::move(one));
  }
  return all;
}

ordered_json plan_json(const sim::Scenario& scenario, const sim::SplitExplanation& explanation,
                       const SimulatedRound& round) {
  ordered_json json;
  json["scenario"] = scenario.name;
  json["schedule"] = scenario.schedule.kind;
  json["model"] = scenario.setting->architecture->name;
  json["layers"] = explanation.layers;
  json["bandwidth_bytes_per_s"] = explanation.bandwidth_bytes_per_s;
  json["server_memory_bytes"] = number_or_null(explanation.server_memory);
  json["plan"] = split_json(scenario, explanation, explanation.plan, &round);
  json["planned"] = explanation.planned
                        ? split_json(scenario, explanation, *explanation.planned, nullptr)
                        : ordered_json(nullptr);
  json["planned_as"] =
      explanation.planned ? ordered_json(explanation.planned_as) : ordered_json(nullptr);
  json["in_turn"] = explanation.in_turn;
  json["simulated"]["round_s"] = number_or_null(round.length());
  json["simulated"]["version_s"] = number_or_null(round.version_s);
  json["simulated"]["failure"] =
      round.failure.empty() ? ordered_json(nullptr) : ordered_json(round.failure);
  json["alternatives"] = alternatives_json(explanation);
  json["notes"] = explanation.notes;
  return json;
}

void note_waits(const sim::Scenario& scenario, sim::SplitExplanation& explanation) {
  const bool any_share = std::ranges::any_of(
      explanation.plan.rows, [](const sim::SplitRow& row) { return row.server_share > 0; });
  const int at_once = scenario.world.nodes.front().concurrent_computes;
  if (at_once == 0 || at_once >= std::ssize(explanation.plan.rows) || !any_share) return;
  explanation.notes.push_back(
      fmt::format("the server computes {} task{} at a time and the others wait, which the "
                  "prediction does not know: set fleet.server.concurrent_computes = 0",
                  at_once, at_once == 1 ? "" : "s"));
}

}  // namespace

void show_plan(const sim::Scenario& scenario, sim::SplitExplanation explanation, bool json) {
  note_waits(scenario, explanation);
  const SimulatedRound round = simulate_round(scenario, explanation);
  if (json) {
    fmt::print("{}\n", terminal_json(plan_json(scenario, explanation, round)));
  } else {
    print_plan(scenario, explanation, round);
  }
}

}  // namespace convoy::cli
