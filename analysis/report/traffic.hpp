#pragma once

// What leaves a device, as the page's data has it. Internal to analysis/report.

#include "analysis/json.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// Run.traffic of data.d.ts: the sums of all devices, then those of each class of devices if there
// are several. No rows if the store has none (the run is not over, or is of before).
Json traffic_json(const RunTables& run);

}  // namespace convoy::analysis
