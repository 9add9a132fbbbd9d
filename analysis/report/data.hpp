#pragma once

// What the page draws, as JSON; analysis/web/src/data.d.ts says what it is.

#include <string>
#include <utility>

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

// A Run of data.d.ts; `label` names it in the page. `live`: it goes on, and the reader knows.
Json run_json(const RunTables& run, const std::string& label, const PageLimits& limits = {},
              bool live = false);

// Puts into the Figures of a Run what it took to reach an accuracy; run_json puts the scenario's.
void put_target(Json& figures, const Curve& curve, const std::optional<Level>& target);

// A Sweep of data.d.ts.
Json sweep_json(const SweepResults& sweep);

// What is told of a run that goes on, message by message.
class LiveRun {
 public:
  explicit LiveRun(std::string label, const PageLimits& limits = {})
      : label_(std::move(label)), limits_(limits) {}

  // The first message: a Run. `rows`: all that is there (StoreTail).
  Json first(RunTables rows);
  // The next: `rows` of data.d.ts, of what has come since. `complete`: nothing was left out so far.
  // Null where there is nothing new.
  Json next(RunTables rows, bool complete);

 private:
  void add(RunTables rows);

  std::string label_;
  PageLimits limits_;
  RunTables all_;
};

}  // namespace convoy::analysis
