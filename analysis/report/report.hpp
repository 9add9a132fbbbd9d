#pragma once

// The report: one self-contained HTML page that needs no network.

#include <string>
#include <vector>

#include "analysis/json.hpp"

namespace convoy::analysis {

struct ReportInput {
  std::vector<std::string> runs;     // folders
  std::vector<std::string> sweeps;   // likewise
  bool with_stores = false;          // a point of a sweep is done only if it has a store
  std::string baseline;              // of the comparison; "": the first group
  std::vector<double> targets;       // accuracies for times to accuracy; none: the common level
  std::vector<std::string> labels;   // of the comparison's groups; none: as found
  std::vector<std::string> metrics;  // of the comparison (metric_list.hpp); none: all
  std::string version;               // Convoy's version
};

// Throw sim::StoreError or base::UserError if a run cannot be read or the baseline is unknown.
std::string report_html(const ReportInput& input);
// The page's data alone (Data of analysis/web/src/data.d.ts).
Json report_data(const ReportInput& input);

// The page for what is in progress, which it loads from the server that sent the page. `kind`:
// "run" or "sweep".
std::string live_html(const std::string& version, const std::string& kind);

// True if built with charts (CONVOY_WEB); else pages contain tables only, and say so.
bool has_charts();

}  // namespace convoy::analysis
