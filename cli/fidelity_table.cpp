#include "cli/fidelity_table.hpp"

#include <fmt/format.h>

#include <optional>

#include "base/text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

using analysis::DurationErrors;
using analysis::EndError;
using analysis::Fidelity;
using analysis::NodeErrors;

std::string seconds(std::optional<double> value) {
  return value ? base::human_seconds(*value) : "";
}

std::string percent(std::optional<double> share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "";
}

std::string signed_percent(std::optional<double> share) {
  return share ? fmt::format("{:+.1f} %", 100 * *share) : "";
}

std::string errors_table(const Fidelity& fidelity) {
  const bool predicted = fidelity.simulated.empty();
  Table table({"<node", "<activity", "compared", predicted ? "predicted" : "simulated", "measured",
               "error", "bias", predicted ? "not predicted" : "unpaired", "failed"});
  const auto counts = [&](std::int64_t simulated, std::int64_t measured) {
    return predicted ? fmt::format("{}", measured) : fmt::format("{} + {}", simulated, measured);
  };
  const auto add = [&](const std::string& node, const NodeErrors& row) {
    const DurationErrors& e = row.errors;
    table.add({node, row.label, fmt::format("{}", e.compared), seconds(e.simulated_s),
               seconds(e.measured_s), percent(e.error), signed_percent(e.bias),
               counts(e.unpaired_simulated, e.unpaired_measured),
               counts(e.failed_simulated, e.failed_measured)});
  };
  for (const NodeErrors& row : fidelity.nodes) add(row.node, row);
  for (const NodeErrors& row : fidelity.totals) add("all nodes", row);
  return table.str();
}

std::string end_line(const std::string& what, const EndError& end) {
  return fmt::format("{}: {} simulated, {} measured{}\n", what,
                     base::human_seconds(end.simulated_s), base::human_seconds(end.measured_s),
                     end.error ? ", error " + signed_percent(end.error) : "");
}

}  // namespace

std::string fidelity_text(const Fidelity& fidelity) {
  const bool predicted = fidelity.simulated.empty();
  std::string text =
      predicted ? fmt::format("Errors of the predictions in {}\n", fidelity.measured)
                : fmt::format("Errors of {} against {}\n", fidelity.simulated, fidelity.measured);
  if (!fidelity.nodes.empty()) {
    text += errors_table(fidelity);
    text += fmt::format(
        "  error: mean of |{0} - measured| / measured\n"
        "  bias: ({0} - measured) / measured, of the two means beside it; above 0: {0} slower than "
        "measured\n",
        predicted ? "predicted" : "simulated");
    if (!predicted) text += "  unpaired and failed: simulated + measured; neither is compared\n";
  }
  std::int64_t without_duration = 0;
  for (const NodeErrors& row : fidelity.totals) without_duration += row.errors.without_duration;
  if (without_duration > 0) {
    text += fmt::format("  measured as 0 s, so without an error: {}\n", without_duration);
  }
  if (fidelity.makespan) text += end_line("makespan", *fidelity.makespan);
  if (fidelity.to_version) {
    text += end_line(fmt::format("to version {}", fidelity.version), *fidelity.to_version);
  }
  for (const std::string& remark : fidelity.remarks) text += "note: " + remark + "\n";
  return text;
}

}  // namespace convoy::cli
