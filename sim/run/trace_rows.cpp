#include "sim/run/trace_rows.hpp"

#include <cmath>
#include <limits>

#include "platforms/traces/signal.hpp"

namespace convoy::sim {
namespace {

constexpr int most_rows_per_column = 1'000;
constexpr int most_nodes = 1'000;
constexpr std::size_t most_rows = 200'000;  // of all nodes

void add(std::vector<TraceRow>& rows, std::int64_t node, platforms::Column column,
         const Behaviour& behaviour, double until_s) {
  // Before the trace begins there is no value.
  const platforms::Signal signal(behaviour.trace, column, behaviour.trace_use,
                                 std::numeric_limits<double>::quiet_NaN());
  const double least_step_s = until_s / most_rows_per_column;
  double last = std::numeric_limits<double>::quiet_NaN();
  for (double time_s = 0; time_s == 0 || time_s < until_s;) {
    const platforms::Signal::Step step = signal.at(time_s);
    if (std::isfinite(step.value) && step.value != last) {
      rows.push_back(
          {node, std::string(name_of(platforms::column_words, column)), time_s, step.value});
      last = step.value;
    }
    if (!std::isfinite(step.until)) return;
    time_s = std::max(step.until, time_s + least_step_s);
  }
}

}  // namespace

std::vector<TraceRow> trace_rows(const WorldConfig& world, double until_s) {
  std::vector<TraceRow> rows;
  int nodes = 0;
  for (std::size_t i = 0; i < world.nodes.size(); ++i) {
    const Behaviour& behaviour = world.nodes[i].behaviour;
    if (!behaviour.trace || ++nodes > most_nodes) continue;
    for (const auto& [column, word] : platforms::column_words) {
      if (behaviour.trace->has(column) && rows.size() < most_rows) {
        add(rows, static_cast<std::int64_t>(i), column, behaviour, until_s);
      }
    }
  }
  return rows;
}

}  // namespace convoy::sim
