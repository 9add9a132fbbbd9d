#pragma once

// A run's timeline in the trace event format (JSON), which the Perfetto UI opens: a process for
// each node, a track for each of its lanes, a slice for each activity.

#include <filesystem>
#include <iosfwd>

namespace convoy::analysis {

// `folder`: of the store. Throws sim::StoreError where there is no store to read, base::UserError
// where it holds no activities (output.record = "task").
void export_perfetto(const std::filesystem::path& folder, std::ostream& out);

}  // namespace convoy::analysis
