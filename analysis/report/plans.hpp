#pragma once

// The plans of a split schedule over time, as the page's data has them. Internal to
// analysis/report.

#include "analysis/json.hpp"
#include "analysis/report/data.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// Run.plans of data.d.ts: the first ones, and of these the nodes, up to the limits.
Json plans_json(const RunTables& run, const PageLimits& limits);

// Says what plans_json() leaves out; "": nothing.
std::string plans_left_out(const RunTables& run, const PageLimits& limits);

}  // namespace convoy::analysis
