#pragma once

// Going on with a run that is there: it is simulated anew in a file beside it (store_file.hpp),
// begins with the same journal, and takes its place when it has come at least as far. Internal to
// sim/store.

#include <filesystem>
#include <optional>
#include <vector>

#include "sim/store/store.hpp"

namespace convoy::sim {

// A resumption that was killed itself, and had come as far as the run before it, takes that one's
// place. Whoever calls this has the folder's lock.
void settle(const std::filesystem::path& store, const std::string& scenario_hash,
            const std::string& course);

// The journal of the run that `run` goes on with. Nothing: there is none, never begun or killed
// before it began. Throws StoreError where another run is there.
std::optional<std::vector<JournalRow>> journal_to_resume(const std::filesystem::path& store,
                                                         const RunRow& run);

// The resumed run, closed and without a log, becomes `store`.
void replace_resumed(const std::filesystem::path& store, bool durable);

}  // namespace convoy::sim
