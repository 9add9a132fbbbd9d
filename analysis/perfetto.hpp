#pragma once

// Exports a run's timeline in the trace event format (JSON) of the Perfetto UI: a process per node,
// a track per lane, a slice per activity. Of a pipeline also arrows (flow events) from who made
// something through its transfer to who takes it, the devices' stages, and their memory over time.

#include <filesystem>
#include <iosfwd>

namespace convoy::analysis {

// `folder`: of the store. Throws sim::StoreError if there is no readable store, base::UserError if
// it holds no activities (output.record = "task").
void export_perfetto(const std::filesystem::path& folder, std::ostream& out);

}  // namespace convoy::analysis
