#pragma once

// The timeline of a run, for the page. Internal to analysis/report.

#include <vector>

#include "analysis/idle.hpp"
#include "analysis/report/data.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// A Timeline of data.d.ts; thinned out where the activities are more than the limit.
Json timeline_json(const RunTables& run, const std::vector<Idle>& idle, const PageLimits& limits);

// Its activities alone, all of them.
Json activities_json(const RunTables& run, const PageLimits& limits);

// All but its activities: labels, kinds and causes as they number them, waits from `shortest_s` on,
// absences.
Json frame_json(const RunTables& run, const std::vector<Idle>& idle, double shortest_s,
                const PageLimits& limits);

}  // namespace convoy::analysis
