#pragma once

// Reads a value that may depend on a device's memory: one value for all, or a table by class such
// as { 64gb = 1.0, 8gb = 0.25 }. `whole`: integers only.

#include <map>

#include "base/table_reader.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

ByMemoryClass<double> read_by_memory_class(base::TableReader& reader, const base::Key& key,
                                           base::Range range, std::map<int, double> fallback,
                                           bool whole = false);

}  // namespace convoy::sim
