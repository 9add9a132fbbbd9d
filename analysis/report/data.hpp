#pragma once

// What the page draws, as JSON; analysis/web/src/data.d.ts says what it is.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/json.hpp"
#include "analysis/metrics.hpp"
#include "analysis/sweep_results.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// How much of a run the page is given; beyond it, what is drawn is thinned out, and the page says
// so. Sums are of everything.
struct PageLimits {
  std::size_t nodes = 2'000;
  std::size_t updates = 200'000;
  std::size_t activities = 200'000;  // merged with their neighbours until they are no more
};

// A Run of data.d.ts; `label` names it in the page. `going_on`: it will be told anew at its end, so
// what is reckoned from all of it (idle intervals, rounds) is left out.
Json run_json(const RunTables& run, const std::string& label, bool going_on = false,
              const PageLimits& limits = {});

// A Sweep of data.d.ts.
Json sweep_json(const SweepResults& sweep);

// The messages `rows` of a run that goes on. Keeps what sums up over all of them.
class LiveRows {
 public:
  // `rows`: what has come since the last call (StoreTail). Null where nothing has.
  Json next(const RunTables& rows, const PageLimits& limits = {});

 private:
  std::map<std::int32_t, bool> transfers_;  // of each label, whether it is one
  CurvePoint sum_;
  double bytes_down_ = 0;
  double bytes_up_ = 0;
  std::int64_t aggregated_ = 0;
  std::optional<double> accuracy_best_;
  std::map<std::int64_t, double> gone_;  // nodes that are away, since when
};

}  // namespace convoy::analysis
