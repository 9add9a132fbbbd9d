#pragma once

// Resuming a run: it is simulated again in a file beside the old store (store_file.hpp), must begin
// with the same journal, and replaces the old store once it has come at least as far. Internal to
// sim/store.

#include <filesystem>
#include <optional>
#include <vector>

#include "sim/store/store.hpp"

namespace convoy::sim {

// If a resumption was killed after it had come as far as the old run, its file replaces the old
// store. The caller must hold the folder's lock.
void settle(const std::filesystem::path& store, const std::string& scenario_hash,
            const std::string& course);

// The journal of the run that `run` resumes. Nothing: no run, or it was killed before it began.
// Throws StoreError if the folder holds another run.
std::optional<std::vector<JournalRow>> journal_to_resume(const std::filesystem::path& store,
                                                         const RunRow& run);

// Moves the resumed store, closed and without a log, to `store`.
void replace_resumed(const std::filesystem::path& store, bool durable);

}  // namespace convoy::sim
