// convoy plan: how a schedule splits the model between nodes, and what that costs: predicted, and
// in a simulated round.

#include <fmt/format.h>

#include <memory>
#include <variant>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/plan_views.hpp"
#include "cli/scenario_arguments.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::cli {

sim::Scenario timing_only(sim::Scenario scenario) {
  scenario.training.learn = false;
  scenario.world.nodes.change_all([](sim::NodeConfig& node) { node.real.reset(); });
  return scenario;
}

namespace {

struct PlanArguments {
  ScenarioArguments scenario;
  bool compare = false;
  bool json = false;
};

std::string kinds_with_plans() {
  std::vector<std::string> names;
  for (const sim::ScheduleKind& kind : sim::schedule_kinds()) {
    if (kind.explains) names.push_back(kind.name);
  }
  return base::list_of(names, "and");
}

int plan(const PlanArguments& arguments) {
  const sim::Scenario scenario = load(arguments.scenario, arguments.json);
  sim::require_runnable(scenario);
  auto explanation = scenario.schedule.make(scenario.setting)->explain(arguments.compare);
  if (!explanation) {
    throw base::UserError(
        fmt::format("schedule.kind: {} makes no plan that could be shown; kinds with a plan: {}",
                    scenario.schedule.kind, kinds_with_plans()));
  }
  std::visit([&](auto& one) { show_plan(scenario, std::move(one), arguments.json); }, *explanation);
  return ExitStatus::done;
}

}  // namespace

void add_plan(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("plan",
                                  "Show how a schedule splits the model between nodes: cuts, "
                                  "stages, shares, predicted and simulated times");
  auto arguments = std::make_shared<PlanArguments>();
  add_scenario_arguments(*verb, arguments->scenario);
  verb->add_flag("--compare", arguments->compare,
                 "Beside the plan: other ways to split; of a pipeline every planner's plan, "
                 "simulated alike");
  verb->add_flag("--json", arguments->json, "Print one JSON object");
  add_wide(*verb);
  add_examples(*verb, {"convoy plan scenarios/edgesplit/plan.toml",
                       "convoy plan scenarios/edgesplit/plan.toml --compare"});
  verb->callback([arguments, &status] { status = plan(*arguments); });
}

}  // namespace convoy::cli
