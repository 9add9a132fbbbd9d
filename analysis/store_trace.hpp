#pragma once

// Makes a trace of one node from a run's store.

#include <filesystem>
#include <string>

#include "platforms/traces/trace.hpp"

namespace convoy::analysis {

// For a real node power_w, temperature_c and memory_free_bytes from its sensors; for any node
// `available`, if it has come or gone. Times are virtual. Throws sim::StoreError if there is no
// store, base::UserError if it has no such node or no data of it.
platforms::Trace trace_of_node(const std::filesystem::path& folder, const std::string& node);

}  // namespace convoy::analysis
