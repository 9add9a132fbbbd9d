#pragma once

// The report: one HTML page that needs nothing else, no network either.

#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

struct ReportInput {
  std::vector<std::string> runs;    // folders
  std::vector<std::string> sweeps;  // likewise
  std::string baseline;             // of the comparison; "": the first
  std::optional<double> target;     // accuracy to which all are timed; else their common level
  std::string version;              // of Convoy
};

// Throws sim::StoreError or base::UserError where something cannot be read, or the baseline is not
// to be found.
std::string report_html(const ReportInput& input);

// The same page, which asks the server that it came from for a run that goes on.
std::string live_html(const std::string& version);

// Whether this program was built with the charts (CONVOY_WEB); else pages hold tables only, and say
// so.
bool has_charts();

}  // namespace convoy::analysis
