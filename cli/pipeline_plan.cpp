// convoy plan for pipelines: stages, devices, memory, the closed form beside a simulated round.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/plan_views.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "sim/plan/pipeline.hpp"
#include "sim/run/run.hpp"
#include "sim/schedule/trials.hpp"

namespace convoy::cli {
namespace {

using base::human_bytes;
using base::human_seconds;
using nlohmann::ordered_json;

// Rounds of the plan, of the planner's own and of the alternatives, one after another on the same
// fleet as it is at its nominal speeds, always present.
class SimulatedRounds {
 public:
  SimulatedRounds(const sim::Scenario& given, const sim::PipelineExplanation& explanation) {
    std::vector<sim::PipelineTask> tasks;
    const auto add = [&](const sim::PipelineTable& table) {
      tables_.push_back(&table);
      tasks.push_back(table.task);
    };
    for (const sim::NodeConfig& node : given.world.nodes) {
      slowdowns_.push_back(node.behaviour.slowdown);
    }
    add(explanation.plan);
    if (explanation.planned) add(*explanation.planned);
    for (const sim::PipelineAlternative& other : explanation.alternatives) {
      if (other.table) add(*other.table);
    }
    sim::Scenario scenario = timing_only(given);
    scenario.stop = {.rounds = std::ssize(tasks) + 1};
    scenario.world.nodes.change_all(
        [](sim::NodeConfig& node) { node.behaviour = {.slowdown = node.behaviour.slowdown}; });
    scenario.schedule = sim::trials_of(std::move(tasks), trials_);
    sim::run(scenario, {});
  }

  // Nothing: it came to nothing, or was not simulated.
  [[nodiscard]] std::optional<double> seconds(const sim::PipelineTable& table) const {
    const sim::Trial* trial = of(table);
    if (trial == nullptr || !trial->failure.empty()) return std::nullopt;
    return trial->seconds;
  }
  [[nodiscard]] std::string failure(const sim::PipelineTable& table) const {
    const sim::Trial* trial = of(table);
    return trial == nullptr ? "" : trial->failure;
  }
  // The part of the time of the plan's devices in which they do not compute.
  [[nodiscard]] std::optional<double> bubble(const sim::PipelineTable& table) const {
    const std::optional<double> round = seconds(table);
    if (!round) return std::nullopt;
    double busy = 0;
    double devices = 0;
    for (const std::vector<int>& stage : table.task.roles) {
      devices += static_cast<double>(stage.size());
    }
    for (const sim::Activity& a : table.task.graph->activities()) {
      const auto member = table.task.members[static_cast<std::size_t>(a.at)];
      if (a.kind != sim::ActivityKind::compute || member == sim::server_node) continue;
      busy += a.seconds * slowdowns_[member];
    }
    return std::max(0.0, 1 - busy * table.task.graph->repeat() / (devices * *round));
  }

 private:
  [[nodiscard]] const sim::Trial* of(const sim::PipelineTable& table) const {
    const auto at = std::ranges::find(tables_, &table) - tables_.begin();
    return at < std::ssize(*trials_) ? &(*trials_)[static_cast<std::size_t>(at)] : nullptr;
  }

  std::vector<const sim::PipelineTable*> tables_;
  sim::ByNode<double> slowdowns_;
  std::shared_ptr<std::vector<sim::Trial>> trials_ = std::make_shared<std::vector<sim::Trial>>();
};

std::string order_name(const sim::PipelineTable& table) {
  switch (table.order) {
    case sim::PipelineOrder::one_f_one_b:
      return table.stashes_weights ? "1F1B without a flush" : "1F1B";
    case sim::PipelineOrder::gpipe:
      return "GPipe, backwards in order";
    case sim::PipelineOrder::gpipe_reverse:
      return "GPipe, backwards in reverse";
  }
  return "";
}

double samples_per_s(const sim::PipelineTable& table, double round_s) {
  return static_cast<double>(table.microbatch) * table.microbatches / round_s;
}

// --- text ---------------------------------------------------------------------------------------

std::string share_text(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string needed_text(const sim::PipelineMemberRow& row) {
  if (!std::isfinite(row.available)) return human_bytes(row.needed);
  return fmt::format("{} of {}", human_bytes(row.needed), human_bytes(row.available));
}

void print_stages(const sim::Scenario& scenario, const sim::PipelineTable& table) {
  Table text({"<stage", "<layers", "<node", "samples", "window", "forward", "backward", "memory",
              "runtime", "weights", "optimizer", "stashes", "sends", "all-reduce"});
  for (std::size_t s = 0; s < table.stages.size(); ++s) {
    const sim::PipelineStageRow& stage = table.stages[s];
    bool first = true;
    for (const sim::PipelineMemberRow& row : stage.members) {
      text.add({first ? fmt::format("{}", s + 1) : "",
                first ? fmt::format("[{}, {}) {} to {}", stage.first, stage.last, stage.first_name,
                                    stage.last_name)
                      : "",
                scenario.world.nodes[row.node].name.of(row.node), fmt::format("{}", row.samples),
                first ? fmt::format("{}", stage.window) : "", human_seconds(row.forward_s),
                human_seconds(row.backward_s), needed_text(row), human_bytes(row.runtime),
                human_bytes(row.weights), human_bytes(row.optimizer), human_bytes(row.stashes),
                first && stage.sent_bytes > 0 ? human_bytes(stage.sent_bytes) : "",
                first && stage.all_reduce_s > 0 ? human_seconds(stage.all_reduce_s) : ""});
      first = false;
    }
  }
  fmt::print("{}", text.str());
}

void print_times(const sim::PipelineTable& table, const SimulatedRounds& rounds) {
  fmt::print(
      "{} micro-batches of {} samples, {}; the bottleneck: {}\n"
      "Closed form: {} a round, {:.1f} samples/s, bubble {}\n",
      table.microbatches, table.microbatch, order_name(table), table.bottleneck,
      human_seconds(table.round_s), samples_per_s(table, table.round_s), share_text(table.bubble));
  const std::optional<double> simulated = rounds.seconds(table);
  if (!simulated) {
    fmt::print("Simulated: it failed: {}\n", base::escaped(rounds.failure(table)));
    return;
  }
  fmt::print("Simulated: {} a round ({:.2f}x), {:.1f} samples/s, bubble {}\n",
             human_seconds(*simulated), *simulated / table.round_s,
             samples_per_s(table, *simulated), share_text(rounds.bubble(table).value_or(0)));
}

// "3 stages: 2, 1, 3 devices"
std::string shape_of(const sim::PipelineTable& table) {
  std::vector<std::string> devices;
  for (const sim::PipelineStageRow& stage : table.stages) {
    devices.push_back(fmt::format("{}", stage.members.size()));
  }
  std::string text = fmt::format("{}", fmt::join(devices, "-"));
  for (std::size_t s = 0; s + 1 < table.stages.size(); ++s) {
    text += fmt::format("{}{}", s == 0 ? ", cut behind " : ", ", table.stages[s].last_name);
  }
  return text;
}

void print_compared(const sim::PipelineExplanation& explanation, const SimulatedRounds& rounds) {
  if (explanation.alternatives.empty()) return;
  Table text({"<planner", "<devices by stage", "micro-batches", "closed form", "simulated",
              "samples/s", "bubble", "<bottleneck"});
  std::string reasons;
  for (const sim::PipelineAlternative& other : explanation.alternatives) {
    if (!other.table) {
      text.add({other.name, "not possible", "", "", "", "", "", ""});
      reasons += fmt::format("  {}: {}\n", other.name, other.why_not);
      continue;
    }
    const sim::PipelineTable& table = *other.table;
    const std::optional<double> simulated = rounds.seconds(table);
    const std::optional<double> bubble = rounds.bubble(table);
    text.add({other.name, shape_of(table),
              fmt::format("{} x {}", table.microbatches, table.microbatch),
              human_seconds(table.round_s),
              simulated ? human_seconds(*simulated) : rounds.failure(table),
              simulated ? fmt::format("{:.1f}", samples_per_s(table, *simulated)) : "",
              bubble ? share_text(*bubble) : "", table.bottleneck});
  }
  fmt::print("\nEvery planner's plan, each simulated alone\n{}{}", text.str(), reasons);
}

// --- JSON ---------------------------------------------------------------------------------------

ordered_json member_json(const sim::Scenario& scenario, const sim::PipelineMemberRow& row) {
  ordered_json json;
  json["node"] = scenario.world.nodes[row.node].name.of(row.node);
  json["device"] = scenario.identities[row.node].device;
  json["samples"] = row.samples;
  json["forward_s"] = row.forward_s;
  json["backward_s"] = row.backward_s;
  json["memory_bytes"] = row.needed;
  json["runtime_bytes"] = row.runtime;
  json["weights_bytes"] = row.weights;
  json["optimizer_bytes"] = row.optimizer;
  json["stashes_bytes"] = row.stashes;
  json["memory_available_bytes"] = number_or_null(row.available);
  return json;
}

ordered_json table_json(const sim::Scenario& scenario, const sim::PipelineTable& table,
                        const SimulatedRounds& rounds) {
  ordered_json json;
  json["planner"] = table.planner;
  json["by_hand"] = table.by_hand;
  json["order"] = order_name(table);
  json["microbatch"] = table.microbatch;
  json["microbatches"] = table.microbatches;
  json["closed_form_s"] = table.round_s;
  json["simulated_s"] = number_or_null(rounds.seconds(table));
  json["bubble"] = table.bubble;
  json["simulated_bubble"] = number_or_null(rounds.bubble(table));
  json["bottleneck"] = table.bottleneck;
  const std::string failure = rounds.failure(table);
  json["failure"] = failure.empty() ? ordered_json(nullptr) : ordered_json(failure);
  ordered_json& stages = json["stages"] = ordered_json::array();
  for (const sim::PipelineStageRow& stage : table.stages) {
    ordered_json one;
    one["layers"] = {stage.first, stage.last};
    one["first"] = stage.first_name;
    one["last"] = stage.last_name;
    one["window"] = stage.window;
    one["sent_bytes"] = stage.sent_bytes;
    one["transfer_s"] = stage.transfer_s;
    one["all_reduce_s"] = stage.all_reduce_s;
    one["update_s"] = stage.update_s;
    ordered_json& members = one["members"] = ordered_json::array();
    for (const sim::PipelineMemberRow& row : stage.members) {
      members.push_back(member_json(scenario, row));
    }
    stages.push_back(std::move(one));
  }
  return json;
}

ordered_json pipeline_json(const sim::Scenario& scenario,
                           const sim::PipelineExplanation& explanation,
                           const SimulatedRounds& rounds) {
  ordered_json json;
  json["scenario"] = scenario.name;
  json["schedule"] = scenario.schedule.kind;
  json["model"] = scenario.setting->architecture->name;
  json["layers"] = explanation.layers;
  json["pieces"] = explanation.pieces;
  json["idle_nodes"] = explanation.idle;
  json["plan"] = table_json(scenario, explanation.plan, rounds);
  json["planned"] = explanation.planned ? table_json(scenario, *explanation.planned, rounds)
                                        : ordered_json(nullptr);
  ordered_json& others = json["alternatives"] = ordered_json::array();
  for (const sim::PipelineAlternative& other : explanation.alternatives) {
    ordered_json one;
    one["name"] = other.name;
    one["plan"] = other.table ? table_json(scenario, *other.table, rounds) : ordered_json(nullptr);
    one["why_not"] = other.table ? ordered_json(nullptr) : ordered_json(other.why_not);
    others.push_back(std::move(one));
  }
  json["notes"] = explanation.notes;
  return json;
}

void print_pipeline(const sim::Scenario& scenario, const sim::PipelineExplanation& explanation,
                    const SimulatedRounds& rounds) {
  fmt::print("{}: {} with {} of {} layers in {} pieces; {}{}\n\n", scenario.name,
             scenario.schedule.kind, scenario.setting->architecture->name, explanation.layers,
             explanation.pieces, explanation.plan.by_hand ? "a plan made by hand" : "planned",
             explanation.idle > 0 ? fmt::format("; {} of {} nodes have no stage", explanation.idle,
                                                scenario.setting->workers())
                                  : "");
  print_stages(scenario, explanation.plan);
  print_times(explanation.plan, rounds);
  if (explanation.planned) {
    fmt::print("\nThe planner's own plan\n");
    print_stages(scenario, *explanation.planned);
    print_times(*explanation.planned, rounds);
  }
  print_compared(explanation, rounds);
  for (const std::string& note : explanation.notes) fmt::print("note: {}\n", note);
}

}  // namespace

void show_plan(const sim::Scenario& scenario, sim::PipelineExplanation explanation, bool json) {
  const SimulatedRounds rounds(scenario, explanation);
  if (json) {
    fmt::print("{}\n", terminal_json(pipeline_json(scenario, explanation, rounds)));
  } else {
    print_pipeline(scenario, explanation, rounds);
  }
}

}  // namespace convoy::cli
