#pragma once

// The recorded time series that drove the nodes, as they were used, for the store.

#include <vector>

#include "sim/store/rows.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

// By node, column and time, from 0 to before until_s: a row where a value changes. Changes that
// follow each other within a thousandth of the run are thinned out: a row then holds the value at
// its time. Nodes after the first thousand that follow traces, and columns after 200,000 rows, are
// left out.
std::vector<TraceRow> trace_rows(const WorldConfig& world, double until_s);

}  // namespace convoy::sim
