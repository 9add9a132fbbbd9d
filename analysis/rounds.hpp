#pragma once

// The rounds of a run: whom everyone waited for, and for what. A round lasts from one aggregation's
// end to the next one's; the first begins with the run.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "analysis/tables.hpp"
#include "base/words.hpp"

namespace convoy::analysis {

// What let the aggregation begin.
enum class ClosedBy {
  all,       // the last update under way came, or failed
  quorum,    // others were still under way
  deadline,  // a timer of the schedule
};
inline constexpr base::Words<ClosedBy> closed_words = {
    {ClosedBy::all, "all"}, {ClosedBy::quorum, "quorum"}, {ClosedBy::deadline, "deadline"}};

// What the critical path is made of. `compute`, `link`: the activities that led to the last update
// (a transfer that is held counts as link); `queue`: they were ready, and waited for a lane;
// `outage`: their node was away; `aggregation`: the server's; `other`: until a deadline, or until
// the node was given its task.
enum class PathPart { queue, link, compute, outage, aggregation, other };
inline constexpr base::Words<PathPart> path_words = {{PathPart::queue, "queue"},
                                                     {PathPart::link, "link"},
                                                     {PathPart::compute, "compute"},
                                                     {PathPart::outage, "outage"},
                                                     {PathPart::aggregation, "aggregation"},
                                                     {PathPart::other, "other"}};

struct Round {
  std::int64_t version = 0;  // that it made
  double begin_s = 0;
  double aggregation_s = 0;  // begin of the aggregation
  double end_s = 0;
  ClosedBy closed_by = ClosedBy::all;
  std::int64_t node = -1;  // whose update, or failure, was the last: the end of the critical path
  std::int64_t task = -1;
  std::string label;   // the activity on the path that took longest within the round; "": unknown
  double label_s = 0;  // for so long
  std::array<double, path_words.size()> path_s{};  // by PathPart; together end_s - begin_s
};

// By version. Where the run has recorded no activities (output.record = "task"), the path is the
// task's: what it computed and transferred in all, in proportion.
std::vector<Round> read_rounds(const RunTables& run);

// When each node was not there: by node, then time, none overlapping.
struct Absence {
  std::int64_t node = 0;
  double begin_s = 0;
  double end_s = 0;
};
std::vector<Absence> absences(const RunTables& run);

}  // namespace convoy::analysis
