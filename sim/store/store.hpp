#pragma once

// The store of a run: one SQLite file (run.sqlite) in WAL mode with one writer. A thread writes the
// rows in transactions, so that the simulation does not wait for the disk.
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
#include "base/non_copyable.hpp"
#include "sim/store/rows.hpp"

namespace convoy::sim {

constexpr int store_version = 10;  // SQLite's user_version

std::filesystem::path store_path(const std::filesystem::path& folder);
// Path of the folder's store. Throws StoreError if there is none.
std::filesystem::path existing_store(const std::filesystem::path& folder);
// File to which the folder's run is being written: for a resumed run, the one beside the old store.
std::filesystem::path store_under_way(const std::filesystem::path& folder);

// The store is being written by another process, is no store, or has another version.
class StoreError : public base::UserError {
 public:
  using UserError::UserError;
};

enum class StoreMode {
  create,     // the folder must not hold a run
  overwrite,  // replaces the folder's run
  resume,     // the same scenario's run, begun before: simulated anew beside it and compared with
              // its journal, and put in its place when it has come at least as far
};

// Call before looking at the store of a run to be resumed: if an earlier resumption was killed
// after it had come as far as the old run, its file replaces the old store. Throws StoreError if
// another process is writing there.
void settle_resumption(const std::filesystem::path& folder, const std::string& scenario_hash,
                       const std::string& course);

// Throws StoreError if the folder holds a run.
void refuse_existing(const std::filesystem::path& folder);

class StoreWriter : base::NonCopyable {
 public:
  // `durable`: a power cut leaves a store that holds all rows up to some commit: those of the last
  // 16 MiB of the log may be missing, since SQLite waits for the disk only then. Else only a crash
  // of the process leaves one. Throws
  // StoreError or base::UserError if the folder cannot be used in that mode.
  StoreWriter(const std::filesystem::path& folder, const RunRow& run,
              const std::vector<NodeRow>& nodes, StoreMode mode, bool durable = true);
  ~StoreWriter();

  // The interrupted run's journal (mode resume), with which the new journal must begin. Can be
  // taken once.
  std::vector<JournalRow> take_old_journal();

  void add(TaskRow row);
  void add(ActivityRow row);
  void add(AggregationRow row);
  void add(JournalRow row);
  void add(EvaluationRow row);
  void add(PresenceRow row);
  void add(ReadingRow row);
  void add(TraceRow row);
  void add(TrafficRow row);
  void add(MemoryRow row);

  // Waits until all added rows are written: they then survive the end of this process.
  void commit();

  // Writes the remaining rows and the results; throws the writing thread's errors. `host`: facts
  // that depend on this machine and time, kept apart from the results. `nodes`: each node at most
  // once; groups of them need not be those of the beginning.
  void finish(const RunEnd& end, const std::vector<NodeEnd>& nodes,
              const std::map<std::string, std::string>& host);

  [[nodiscard]] std::filesystem::path path() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What the real nodes of a run did; enough to simulate the run again without them.
struct Recording {
  struct Activity {
    std::int64_t task = 0;
    std::int64_t activity = 0;
    std::int64_t iteration = 0;
    std::int64_t node = 0;
    bool real = false;  // measured; false: only a failure counts
    double end_s = 0;
    std::string cause;  // empty: success
  };
  std::vector<Activity> activities;  // ended activities of real nodes
  std::vector<PresenceRow> presence;
  std::vector<NodeRow> nodes;
  RunRow run;
  RunStatus status = RunStatus::running;
  double end_s = 0;  // virtual time of the last record
};
// Throws StoreError if there is no store or this version cannot read it.
Recording read_recording(const std::filesystem::path& folder);

// The state of a run according to its store.
struct StoredRun {
  RunRow run;
  RunStatus status = RunStatus::running;
  std::string cause;
};
// Throws StoreError if there is no store or this version cannot read it.
StoredRun read_run(const std::filesystem::path& folder);
// The same for a store given by its file.
StoredRun read_run_file(const std::filesystem::path& file);

}  // namespace convoy::sim
