#pragma once

// A run of pipelines, as the page's data has it. Internal to analysis/report.

#include "analysis/json.hpp"
#include "analysis/report/data.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// Run.pipeline of data.d.ts; null for a run without pipelines. Of bubbles, pieces of the critical
// paths and values of memory at most PageLimits::pipeline_rows each: the shortest are left out, of
// memory all but the greatest of an interval. Sums are over all.
Json pipeline_json(const RunTables& run, const PageLimits& limits);

}  // namespace convoy::analysis
