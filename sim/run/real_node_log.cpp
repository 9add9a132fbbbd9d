#include "sim/run/real_node_log.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/text.hpp"

namespace convoy::sim {

void tell_presence(const Scenario& scenario, const ElasticClock::Presence& presence, double now) {
  const char* what = presence.present    ? "is there"
                     : presence.for_good ? "is lost for good"
                                         : "is lost";
  spdlog::warn("node {} {} at {:.3f} s", scenario.world.nodes[presence.node].name.of(presence.node),
               what, now);
}

std::string tell_report(const Scenario& scenario, const RealReport& report) {
  const std::string what =
      fmt::format("node {}, task {}, {}: after {} (predicted {})",
                  scenario.world.nodes[report.node].name.of(report.node), report.task, report.label,
                  base::human_seconds(report.elapsed_s), base::human_seconds(report.predicted_s));
  if (report.cause != Cause::none) {
    spdlog::warn("{}: {}{}{}", what, name_of(report.cause), report.detail.empty() ? "" : ": ",
                 report.detail);
    return "";
  }
  const double late_ms = 1e3 * report.late_s;
  if (late_ms <= scenario.hil.max_lag_ms) return "";
  if (scenario.hil.fail_when_late) {
    return fmt::format("{}: delivered {:.1f} ms late (hil.max_lag_ms = {}, hil.late = \"fail\")",
                       what, late_ms, scenario.hil.max_lag_ms);
  }
  spdlog::warn("{}: delivered {:.1f} ms late", what, late_ms);
  return "";
}

}  // namespace convoy::sim
