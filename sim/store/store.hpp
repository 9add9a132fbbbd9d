#pragma once

// The store of a run: one SQLite file (run.sqlite) in WAL mode with one writer. Rows are handed to
// a thread that writes them in transactions, so that the simulation does not wait for the disk.
//
//   StoreWriter store("runs/quickstart", run_row, node_rows, StoreMode::create);
//   store.add(activity_row);
//   store.finish(end, node_ends, host);

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/diagnostics.hpp"
#include "sim/store/rows.hpp"

namespace convoy::sim {

constexpr int store_version = 7;  // SQLite's user_version

std::filesystem::path store_path(const std::filesystem::path& folder);
// Throws StoreError where there is none.
std::filesystem::path existing_store(const std::filesystem::path& folder);
// Where the run in a folder is written as it goes on: a resumed one beside the one before it.
std::filesystem::path store_under_way(const std::filesystem::path& folder);

// A store that another process is writing, that is no store, or that is of another version.
class StoreError : public base::UserError {
 public:
  using UserError::UserError;
};

enum class StoreMode {
  create,     // a folder that holds no run yet
  overwrite,  // whatever is there goes
  resume,     // the same scenario's run, begun before: simulated anew beside it and compared with
              // its journal, and put in its place when it has come at least as far
};

// Before the store of a run that is to be resumed is looked at: a resumption that was killed
// itself, and had come as far as the run before it, takes that one's place. Throws StoreError where
// another process is writing there.
void settle_resumption(const std::filesystem::path& folder, const std::string& scenario_hash,
                       const std::string& course);

// Throws StoreError where there is a run already.
void refuse_existing(const std::filesystem::path& folder);

class StoreWriter {
 public:
  // `durable`: what was committed survives a machine that fails; else only a process that does.
  // Throws StoreError or base::UserError where the folder cannot be used in that mode.
  StoreWriter(const std::filesystem::path& folder, const RunRow& run,
              const std::vector<NodeRow>& nodes, StoreMode mode, bool durable = true);
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // What the interrupted run had journalled (mode resume): the run that is now re-simulated must
  // begin with the same. Handed over once.
  std::vector<JournalRow> take_old_journal();

  void add(TaskRow row);
  void add(ActivityRow row);
  void add(AggregationRow row);
  void add(JournalRow row);
  void add(EvaluationRow row);
  void add(PresenceRow row);
  void add(ReadingRow row);

  // Waits until all that was added is written: it survives the end of this process.
  void commit();

  // Writes what is left and the results; throws what the writing thread met. `host`: what depends
  // on this machine and the hour, kept apart from all the rest.
  void finish(const RunEnd& end, const std::vector<NodeEnd>& nodes,
              const std::map<std::string, std::string>& host);

  [[nodiscard]] std::filesystem::path path() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Of a run with real nodes what they did: with it the run can be simulated again without them.
struct Recording {
  struct Activity {
    std::int64_t task = 0;
    std::int64_t activity = 0;
    std::int64_t iteration = 0;
    std::int64_t node = 0;
    bool real = false;  // measured; else only its failure is of interest
    double end_s = 0;
    std::string cause;  // empty: it ended as it should
  };
  std::vector<Activity> activities;  // of real nodes, that have ended
  std::vector<PresenceRow> presence;
  std::vector<NodeRow> nodes;
  RunRow run;
  RunStatus status = RunStatus::running;
  double end_s = 0;  // virtual time of the last thing that was written down
};
// Throws StoreError where there is none, or none that this version reads.
Recording read_recording(const std::filesystem::path& folder);

// The state of a run as its store has it.
struct StoredRun {
  RunRow run;
  RunStatus status = RunStatus::running;
  std::string cause;
};
// Throws StoreError where there is none, or none that this version reads.
StoredRun read_run(const std::filesystem::path& folder);
// Likewise, of a store by its file.
StoredRun read_run_file(const std::filesystem::path& file);

}  // namespace convoy::sim
