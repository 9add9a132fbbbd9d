#include "cli/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/plot.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "sim/store/traffic_sums.hpp"

namespace convoy::cli {

using base::human_bytes;
using base::human_seconds;

namespace {

std::string target_text(const sim::Target& target) {
  const std::string what = fmt::format("{:.6g} % ({})", 100 * target.accuracy, target.from);
  if (!target.reached) return what + " was not reached";
  return fmt::format("{} in {} ({:.3f} s), with {} and {} (workers)", what,
                     human_seconds(target.reached->time_s), target.reached->time_s,
                     human_bytes(target.reached->bytes),
                     base::human_energy(target.reached->energy_j));
}

// "models to 25 % of 117 MiB, updates to 1.3 % of 117 MiB"; empty where nothing was compressed.
std::string compression_text(const sim::Summary& s) {
  std::string text;
  const auto add = [&](const sim::Compressed& sent, const char* way) {
    if (!sent.ratio()) return;
    text += fmt::format("{}{} to {:.3g} % of {}", text.empty() ? "" : ", ", way,
                        100 * *sent.ratio(), human_bytes(sent.whole_bytes));
  };
  add(s.compressed_down, "models");
  add(s.compressed_up, "updates");
  return text;
}

// "update (upload) 120 times, 47 MiB in all, 402 KiB each"; kinds are separated by semicolons.
// `leaves`: what leaves devices; else what comes to them. Empty where nothing does.
std::string traffic_text(const std::vector<sim::TrafficSum>& sums, bool leaves) {
  std::string text;
  for (const sim::TrafficSum& sum : sums) {
    const bool is_asked = leaves ? sum.way != sim::Way::down : sum.way != sim::Way::up;
    if (!is_asked) continue;
    text +=
        fmt::format("{}{} ({}{}) {} times, {} in all, {} each", text.empty() ? "" : "; ",
                    sum.artifact, sum.label, sum.way == sim::Way::between ? " between devices" : "",
                    base::human_count(static_cast<double>(sum.transfers)), human_bytes(sum.bytes),
                    human_bytes(sum.mean_bytes()));
    if (sum.broken_off > 0) text += fmt::format(", {} broken off", sum.broken_off);
  }
  return text;
}

nlohmann::ordered_json traffic_json(const sim::Summary& s) {
  auto traffic = nlohmann::ordered_json::array();
  for (const sim::TrafficSum& sum : sim::traffic_sums(s.traffic)) {
    traffic.push_back(
        {{"label", sum.label},
         {"artifact", sum.artifact},
         {"way", name_of(sim::way_words, sum.way)},
         {"devices", sum.devices},
         {"transfers", sum.transfers},
         {"bytes", std::llround(sum.bytes)},
         {"mean_bytes", sum.mean_bytes()},
         {"share", sum.share},
         {"device_bytes",
          {{"least", std::llround(sum.least_bytes)}, {"most", std::llround(sum.most_bytes)}}},
         {"broken_off", sum.broken_off}});
  }
  return traffic;
}

nlohmann::ordered_json peak_memory_json(const sim::Summary& s) {
  // Look-ups in an ordered object take linear time: fill it directly.
  nlohmann::ordered_json memory = nlohmann::ordered_json::object();
  auto& entries = memory.get_ref<nlohmann::ordered_json::object_t&>();
  sim::NodeId id = 0;
  for (const sim::NodeSummary& n : s.nodes) {
    entries.std::vector<std::pair<const std::string, nlohmann::ordered_json>>::emplace_back(
        n.name.of(id++), std::llround(n.usage.peak_memory));
  }
  return memory;
}

// Of nodes where work waited for memory.
nlohmann::ordered_json memory_waits_json(const sim::Summary& s) {
  nlohmann::ordered_json waits = nlohmann::ordered_json::object();
  sim::NodeId id = 0;
  for (const sim::NodeSummary& n : s.nodes) {
    const std::string name = n.name.of(id++);
    if (n.usage.memory_waits == 0) continue;
    waits[name] = {{"waits", n.usage.memory_waits}, {"wait_s", n.usage.memory_wait_s}};
  }
  return waits;
}

nlohmann::ordered_json curve_json(const sim::Summary& s) {
  const auto or_null = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  auto curve = nlohmann::ordered_json::array();
  for (const sim::CurvePoint& j : s.curve) {
    curve.push_back({{"time_s", j.time_s},
                     {"version", j.version},
                     {"accuracy", j.accuracy},
                     {"bytes", j.bytes},
                     {"energy_j", j.energy_j},
                     {"energy_server_j", j.energy_server_j},
                     {"samples", j.samples},
                     {"updates", j.updates},
                     {"loss", or_null(j.loss)},
                     {"gradient_norm", or_null(j.gradient_norm)},
                     {"objective", or_null(j.objective)}});
  }
  return curve;
}

std::string nodes_text(const sim::Summary& s) {
  constexpr std::size_t rows_shown = 64;
  const std::size_t shown = std::min(s.nodes.size(), rows_shown + 1);
  const auto any = [&](auto of) { return std::ranges::any_of(s.nodes, of); };
  const bool failures = any([](const auto& n) { return n.usage.tasks_failed > 0; });
  const bool absences = any([](const auto& n) { return n.usage.away_s > 0; });
  const bool waits = any([](const auto& n) { return n.usage.memory_waits > 0; });
  std::vector<std::string> headings = {"<node", "tasks"};
  if (failures) headings.emplace_back("failed");
  headings.insert(headings.end(), {"busy", "waiting", "transfers"});
  if (absences) headings.emplace_back("away");
  headings.insert(headings.end(), {"received", "sent", "peak memory"});
  if (waits) headings.emplace_back("waited for memory");
  headings.emplace_back("energy");
  Table nodes(headings);
  for (std::size_t i = 0; i < shown; ++i) {
    const sim::NodeSummary& n = s.nodes[i];
    std::vector<std::string> row = {n.name.of(static_cast<sim::NodeId>(i)),
                                    fmt::format("{}", n.usage.tasks)};
    if (failures) row.push_back(fmt::format("{}", n.usage.tasks_failed));
    row.insert(row.end(), {human_seconds(n.usage.busy_s), human_seconds(n.waiting_s),
                           human_seconds(n.usage.communicating_s)});
    if (absences) row.push_back(human_seconds(n.usage.away_s));
    row.insert(row.end(), {human_bytes(n.usage.bytes_in), human_bytes(n.usage.bytes_out),
                           human_bytes(n.usage.peak_memory)});
    if (waits) row.push_back(human_seconds(n.usage.memory_wait_s));
    row.push_back(base::human_energy(n.usage.energy_j));
    nodes.add(std::move(row));
  }
  std::string text = nodes.str();
  if (shown < s.nodes.size()) text += fmt::format("  ... and {} more\n", s.nodes.size() - shown);
  return text;
}

}  // namespace

std::string summary_text(const sim::RunResult& result) {
  const sim::Summary& s = result.summary;
  Table overall({"<", "<"});
  const auto row = [&](const char* name, std::string value) {
    overall.add({name, std::move(value)});
  };
  row("virtual time",
      fmt::format("{} ({:.3f} s)", human_seconds(s.virtual_time_s), s.virtual_time_s));
  row("wall time", human_seconds(s.wall_time_s));
  if (!s.learned_as.empty()) {
    row("learned",
        fmt::format("{}; time, memory, bytes and energy are those of {}", s.learned_as, s.model));
  }
  row("aggregations", base::human_count(static_cast<double>(s.rounds)));
  row("node updates",
      fmt::format("{} ({} aggregated{}), {} failed or cancelled",
                  base::human_count(static_cast<double>(s.tasks)),
                  base::human_count(static_cast<double>(s.tasks_aggregated)),
                  s.tasks_dropped > 0 ? fmt::format(", {} dropped", s.tasks_dropped) : "",
                  s.tasks_failed));
  row("samples trained", base::human_count(s.samples));
  row("utilization", fmt::format("{:.1f} %", 100 * s.utilization));
  row("down / up", fmt::format("{} / {}", human_bytes(s.bytes_down), human_bytes(s.bytes_up)));
  const std::vector<sim::TrafficSum> traffic = sim::traffic_sums(s.traffic);
  if (const std::string out = traffic_text(traffic, true); !out.empty()) row("leaves devices", out);
  if (const std::string in = traffic_text(traffic, false); !in.empty()) row("comes to them", in);
  if (const std::string sent = compression_text(s); !sent.empty()) row("compressed", sent);
  if (s.real_nodes > 0) {
    row("real nodes",
        fmt::format("{}; lag at most {:.3f} ms", s.real_nodes, 1e3 * s.max_lag_s.value_or(0)));
  }
  row("energy", fmt::format("{} (workers), {} (server)", base::human_energy(s.energy_j),
                            base::human_energy(s.energy_server_j)));
  row("staleness", fmt::format("mean {:.2f}, max {}", s.staleness_mean, s.staleness_max));
  if (s.accuracy) {
    row("accuracy",
        fmt::format("{:.2f} % (best {:.2f} %)", 100 * *s.accuracy, 100 * *s.accuracy_best));
  }
  if (s.target && s.accuracy) row("to the target", target_text(*s.target));
  if (s.coverage_min) {
    row("coverage",
        fmt::format("each parameter in at least {} updates of an aggregation; {:.1f} % of "
                    "the parameters in none so far",
                    *s.coverage_min, 100 * s.untrained.value_or(0)));
  }
  row("network", s.network);
  if (!s.store.empty()) row("store", s.store);
  std::string text = nodes_text(s) + overall.str();
  Series accuracy{"accuracy", {}};
  for (const sim::CurvePoint& j : s.curve) accuracy.points.emplace_back(j.time_s, j.accuracy);
  if (const std::string plot = plot_accuracy({accuracy}); !plot.empty()) text += "\n" + plot;
  return text;
}

std::string summary_json(const sim::RunResult& result, bool with_curve) {
  const sim::Summary& s = result.summary;
  const std::optional<sim::CurvePoint> there = s.target ? s.target->reached : std::nullopt;
  const auto at_target = [&there](double sim::CurvePoint::*figure) {
    return there ? nlohmann::ordered_json((*there).*figure) : nlohmann::ordered_json(nullptr);
  };
  const auto or_null = [](const auto& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json json = {
      {"scenario", s.scenario},
      {"schedule", s.schedule},
      {"model", s.model},
      {"learned_as", s.learned_as.empty() ? nlohmann::ordered_json(nullptr)
                                          : nlohmann::ordered_json(s.learned_as)},
      {"seed", s.seed},
      {"status", sim::name_of(result.status)},
      {"cause", nullptr},
      {"rounds", s.rounds},
      {"virtual_time_s", s.virtual_time_s},
      {"wall_time_s", s.wall_time_s},
      {"tasks", s.tasks},
      {"tasks_aggregated", s.tasks_aggregated},
      {"tasks_failed", s.tasks_failed},
      {"tasks_dropped", s.tasks_dropped},
      {"tasks_buffered", s.tasks_buffered},
      {"tasks_run_ended", s.tasks_run_ended},
      {"tasks_assigned", s.tasks_assigned},
      {"failures", nlohmann::ordered_json::object()},
      {"dropped", nlohmann::ordered_json::object()},
      {"remarks", s.remarks},
      {"samples", s.samples},
      {"utilization", s.utilization},
      {"bytes_down", std::llround(s.bytes_down)},
      {"bytes_up", std::llround(s.bytes_up)},
      {"traffic", traffic_json(s)},
      {"compression_down", or_null(s.compressed_down.ratio())},
      {"compression_up", or_null(s.compressed_up.ratio())},
      {"energy_j", s.energy_j},
      {"energy_server_j", s.energy_server_j},
      {"accuracy", or_null(s.accuracy)},
      {"accuracy_best", or_null(s.accuracy_best)},
      {"target_accuracy", s.target ? nlohmann::ordered_json(s.target->accuracy) : nullptr},
      {"time_to_accuracy_s", at_target(&sim::CurvePoint::time_s)},
      {"bytes_to_accuracy", at_target(&sim::CurvePoint::bytes)},
      {"energy_to_accuracy_j", at_target(&sim::CurvePoint::energy_j)},
      {"peak_memory_bytes", peak_memory_json(s)},
      {"memory_waits", memory_waits_json(s)},
      {"staleness", {{"mean", s.staleness_mean}, {"max", s.staleness_max}}},
      {"coverage_min", or_null(s.coverage_min)},
      {"untrained", or_null(s.untrained)},
      {"real_nodes", s.real_nodes},
      {"max_lag_ms", s.max_lag_s ? nlohmann::ordered_json(1e3 * *s.max_lag_s) : nullptr},
      {"store", nullptr},
  };
  for (const auto& [cause, count] : s.failures) json["failures"][cause] = count;
  for (const auto& [cause, count] : s.dropped) json["dropped"][cause] = count;
  if (with_curve) json["curve"] = curve_json(s);
  if (!result.cause.empty()) json["cause"] = result.cause;
  if (!s.store.empty()) json["store"] = s.store;
  return terminal_json(json);
}

}  // namespace convoy::cli
