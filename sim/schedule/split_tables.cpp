#include "sim/schedule/split_tables.hpp"

#include <limits>
#include <utility>

#include "base/diagnostics.hpp"
#include "sim/plan/baselines.hpp"

namespace convoy::sim {
namespace {

template <class Find>
SplitAlternative alternative(std::string name, const SplitProblem& problem, Find find) {
  SplitAlternative made{.name = std::move(name)};
  try {
    const auto found = find();
    made.round_s = found.round_s;
    for (std::size_t i = 0; i < found.cuts.size(); ++i) {
      made.cuts.push_back(problem.devices[i].cuts[found.cuts[i]].name);
    }
  } catch (const base::UserError& error) {
    made.why_not = error.what();
  }
  return made;
}

}  // namespace

SplitTable table_of(const Setting& setting, const SplitProblems& problems,
                    std::span<const NodeId> nodes, const SplitPlan& plan) {
  SplitTable table{.bottleneck = plan.bottleneck, .round_s = plan.round_s};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const NodeId node = nodes[i];
    const SplitPlace& place = problems.places().at(plan.cuts[i]);
    const SplitCost& cost = problems.cost(node, plan.cuts[i]);
    const double memory = setting.nodes[node].machine->memory;
    table.rows.push_back(
        {.node = node,
         .cut = place.cut,
         .tail = place.tail,
         .cut_name = place.name,
         .activation_bytes = cost.activation_bytes,
         .gradient_bytes = cost.gradient_bytes,
         .node_bytes = cost.node_memory,
         .node_memory = memory > 0 ? memory : std::numeric_limits<double>::infinity(),
         .server_bytes = cost.server_memory,
         .bandwidth_bytes_per_s = plan.bandwidth_bytes_per_s[i],
         .server_share = plan.server_shares[i],
         .predicted_s = plan.times_s[i]});
  }
  return table;
}

std::vector<SplitAlternative> split_alternatives(const SplitProblem& problem) {
  return {
      alternative("SplitFed: the best common cut, equal shares", problem,
                  [&] { return best_common_cut(problem, Sharing::equal); }),
      alternative("SplitFed: the best common cut, the best shares", problem,
                  [&] { return best_common_cut(problem, Sharing::best); }),
      alternative("one device after another, each with its own cut", problem,
                  [&] { return one_after_another(problem); }),
      alternative("one device after another, with one cut", problem,
                  [&] { return one_after_another_with_one_cut(problem); }),
      alternative("each device's own choice, equal shares", problem,
                  [&] { return with_equal_shares(problem, one_after_another(problem).cuts); }),
  };
}

}  // namespace convoy::sim
