#pragma once

// The timeline of a run for the page. Internal to analysis/report.

#include <vector>

#include "analysis/idle.hpp"
#include "analysis/report/data.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// A Timeline of data.d.ts; thinned out if there are more activities than the limit.
Json timeline_json(const RunTables& run, const std::vector<Idle>& idle, const PageLimits& limits);

// Only the activities, complete.
Json activities_json(const RunTables& run, const PageLimits& limits);

// Everything but activities: labels, kinds and causes with their numbers, waits of at least
// `shortest_s`, absences.
Json frame_json(const RunTables& run, const std::vector<Idle>& idle, double shortest_s,
                const PageLimits& limits);

}  // namespace convoy::analysis
