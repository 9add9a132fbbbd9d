#pragma once

// The report: one self-contained HTML page that needs no network.

#include <string>
#include <vector>

namespace convoy::analysis {

struct ReportInput {
  std::vector<std::string> runs;     // folders
  std::vector<std::string> sweeps;   // likewise
  std::string baseline;              // of the comparison; "": the first group
  std::vector<double> targets;       // accuracies for times to accuracy; none: the common level
  std::vector<std::string> labels;   // of the comparison's groups; none: as found
  std::vector<std::string> metrics;  // of the comparison (metric_list.hpp); none: all
  std::string version;               // Convoy's version
};

// Throws sim::StoreError or base::UserError if a run cannot be read or the baseline is unknown.
std::string report_html(const ReportInput& input);

// The page for a run in progress, which it loads from the server that sent the page.
std::string live_html(const std::string& version);

// True if built with charts (CONVOY_WEB); else pages contain tables only, and say so.
bool has_charts();

}  // namespace convoy::analysis
