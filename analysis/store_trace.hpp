#pragma once

// What a run's store recorded of one node, as a trace.

#include <filesystem>
#include <string>

#include "platforms/traces/trace.hpp"

namespace convoy::analysis {

// Of a real node power_w, temperature_c and memory_free_bytes as its sensors gave them; of any node
// `available`, where it went or came. Times are those of the run's virtual clock. Throws
// sim::StoreError where there is no store, base::UserError where it has no such node, or nothing of
// it.
platforms::Trace trace_of_node(const std::filesystem::path& folder, const std::string& node);

}  // namespace convoy::analysis
