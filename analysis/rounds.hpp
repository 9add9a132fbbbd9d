#pragma once

// The rounds of a run: for which node everyone waited, and why. A round lasts from the end of one
// aggregation to the end of the next; the first begins with the run.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "analysis/tables.hpp"
#include "base/words.hpp"

namespace convoy::analysis {

// The reason why the aggregation began.
enum class ClosedBy {
  all,       // the last update under way arrived or failed
  quorum,    // a quorum was there; others were still under way
  deadline,  // a timer of the schedule
};
inline constexpr base::Words<ClosedBy> closed_words = {
    {ClosedBy::all, "all"}, {ClosedBy::quorum, "quorum"}, {ClosedBy::deadline, "deadline"}};

// Parts of the critical path. `compute`, `link`: activities leading to the last update (a held
// transfer counts as link); `queue`: ready, but waiting for a lane; `outage`: the node was absent;
// `aggregation`: by the server; `other`: waiting for a deadline or for the assignment.
enum class PathPart { queue, link, compute, outage, aggregation, other };
inline constexpr base::Words<PathPart> path_words = {{PathPart::queue, "queue"},
                                                     {PathPart::link, "link"},
                                                     {PathPart::compute, "compute"},
                                                     {PathPart::outage, "outage"},
                                                     {PathPart::aggregation, "aggregation"},
                                                     {PathPart::other, "other"}};

struct Round {
  std::int64_t version = 0;  // made by the round
  double begin_s = 0;
  double aggregation_s = 0;  // start of the aggregation
  double end_s = 0;
  ClosedBy closed_by = ClosedBy::all;
  std::int64_t node = -1;  // node of the last update or failure, at the end of the critical path
  std::int64_t task = -1;
  // The activity on the path that took longest within the round; of a pipeline that of all
  // micro-batches together ("F@1"); "": unknown.
  std::string label;
  double label_s = 0;                              // for so long
  std::array<double, path_words.size()> path_s{};  // by PathPart; together end_s - begin_s
};

// The rounds by version. Without recorded activities (output.record = "task") the path is estimated
// from the task's sums of computing and transfers.
std::vector<Round> read_rounds(const RunTables& run);

// Absences of each node: by node, then time, without overlaps.
struct Absence {
  std::int64_t node = 0;
  double begin_s = 0;
  double end_s = 0;
};
std::vector<Absence> absences(const RunTables& run);

}  // namespace convoy::analysis
