#pragma once

// The data of the page as JSON; the format is in analysis/web/src/data.d.ts.

#include <string>
#include <utility>

#include "analysis/bands.hpp"
#include "analysis/json.hpp"
#include "analysis/metric_list.hpp"
#include "analysis/metrics.hpp"
#include "analysis/sweep_results.hpp"
#include "analysis/tables.hpp"

namespace convoy::analysis {

// Limits for the data of a page; larger runs are thinned out, and the page says so. Sums are always
// over all data.
struct PageLimits {
  std::size_t nodes = 2'000;
  std::size_t updates = 200'000;
  std::size_t activities = 200'000;  // neighbours are merged until the limit holds
  std::size_t plans = 1'000;
  std::size_t planned_nodes = 50'000;  // of all plans together
  std::size_t pipeline_rows = 50'000;  // of each table by time of a pipeline
};

// A Run of data.d.ts; `label` names it in the page. `live`: the run is in progress.
Json run_json(const RunTables& run, const std::string& label, const PageLimits& limits = {},
              bool live = false);

// Sets the costs of reaching these accuracies in the Figures of a Run; run_json uses the scenario's
// target.
void put_targets(Json& figures, const Curve& curve, const std::vector<Level>& targets);

// Band[] of data.d.ts.
Json bands_json(const std::vector<Band>& bands);

// A Sweep of data.d.ts.
Json sweep_json(const SweepResults& sweep);

// The messages about a run in progress.
class LiveRun {
 public:
  explicit LiveRun(std::string label, const PageLimits& limits = {})
      : label_(std::move(label)), limits_(limits) {}

  // The first message: a Run. `rows`: all rows so far (StoreTail).
  Json first(RunTables rows);
  // The next message: `rows` of data.d.ts, new since the last call. `complete`: nothing has been
  // left out so far. Null if there is nothing new.
  Json next(RunTables rows, bool complete);

 private:
  void add(RunTables rows);

  std::string label_;
  PageLimits limits_;
  RunTables all_;
};

}  // namespace convoy::analysis
