#include <fmt/format.h>

#include <optional>
#include <utility>

#include "sim/store/node_groups.hpp"
#include "sim/store/resumption.hpp"
#include "sim/store/row_writer.hpp"
#include "sim/store/sql.hpp"
#include "sim/store/store.hpp"
#include "sim/store/store_file.hpp"

namespace convoy::sim {
namespace {

const std::filesystem::path& made(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!failure) return folder;
  throw StoreError(fmt::format("{}: cannot be made ({}); choose another folder with -o",
                               folder.string(), failure.message()));
}

std::string schema() {
  return create_table<RunRow, RunEnd>() + node_tables() + create_table<TaskRow>() +
         create_table<ActivityRow>() + create_table<AggregationRow>() +
         create_table<EvaluationRow>() + create_table<JournalRow>() + create_table<PresenceRow>() +
         create_table<ReadingRow>() + create_table<TraceRow>() + create_table<TrafficRow>() +
         create_table<MemoryRow>() + create_table<HostRow>();
}

// Creates all tables and writes the facts known before the run.
void begin(SQLite::Database& database, const RunRow& run, const std::vector<NodeRow>& nodes) {
  SQLite::Transaction transaction(database);
  database.exec(schema());
  database.exec(fmt::format("PRAGMA user_version = {}", store_version));
  SQLite::Statement first(database, insert_into<RunRow>(", status, cause", ", 'running', ''"));
  write_row(first, run);
  SQLite::Statement fact(database, insert_into<HostRow>());
  write_row(fact, HostRow{"course", run.course});
  SQLite::Statement node(database, insert_into_all<NodeRow, NodeSpan>());
  for (const NodeRow& row : nodes) write_all(node, row, row.span);
  transaction.commit();
}

}  // namespace

void refuse_existing(const std::filesystem::path& folder) {
  if (folder.empty() || !std::filesystem::exists(store_path(folder))) return;
  throw StoreError(fmt::format(
      "{}: there is a run already; --resume goes on with it, --overwrite replaces it, -o chooses "
      "another folder",
      folder.string()));
}

class StoreWriter::Impl {
 public:
  Impl(const std::filesystem::path& folder, const RunRow& run, const std::vector<NodeRow>& nodes,
       StoreMode mode, bool durable)
      : lock_(lock_for_writing(made(folder))),
        store_(store_path(folder)),
        durable_(durable),
        nodes_(nodes) {
    if (mode == StoreMode::resume) {
      old_journal_ = journal_to_resume(store_, run);
      if (old_journal_) old_entries_ = old_journal_->size();
    } else {
      if (mode != StoreMode::overwrite) refuse_existing(folder);
      remove_database(beside(store_));  // of an abandoned resumption
      remove_database(draft_of(store_));
    }
    try {
      if (!resumes()) appear(run, nodes);
      open();
      if (resumes()) begin(*database_, run, nodes);
    } catch (const SQLite::Exception& e) {
      throw StoreError(fmt::format("{}: cannot be written ({})", written().string(), e.what()));
    } catch (const std::filesystem::filesystem_error& e) {
      throw StoreError(
          fmt::format("{}: cannot be written ({})", written().string(), e.code().message()));
    }
    rows_.emplace(*database_, written().string());
  }

  std::vector<JournalRow> take_old_journal() {
    return old_journal_ ? std::exchange(*old_journal_, {}) : std::vector<JournalRow>();
  }

  RowWriter& rows() { return *rows_; }
  void add(JournalRow row) {
    ++entries_;
    rows_->add(std::move(row));
  }

  void finish(const RunEnd& end, const std::vector<NodeEnd>& nodes,
              const std::map<std::string, std::string>& host) {
    rows_->finish();
    write_results(end, nodes, host);
    const bool empty = empty_the_log(*database_, resumes() ? readers_may_take_ms : 0);
    if (empty) leave_wal(*database_);
    if (!resumes()) return;
    if (!empty) fail_for_readers(written());
    database_.reset();  // closes the file
    if (entries_ < old_entries_) {
      remove_database(written());  // the old store stays unchanged
    } else {
      replace_resumed(store_, durable_);
    }
  }

  [[nodiscard]] const std::filesystem::path& path() const { return store_; }

 private:
  [[nodiscard]] bool resumes() const { return old_journal_.has_value(); }
  [[nodiscard]] std::filesystem::path written() const {
    return resumes() ? beside(store_) : store_;
  }

  // The store appears with all that readers need, or not at all.
  void appear(const RunRow& run, const std::vector<NodeRow>& nodes) const {
    {
      SQLite::Database draft = open_for_writing(draft_of(store_), SQLite::OPEN_CREATE);
      if (!durable_) draft.exec("PRAGMA synchronous = OFF");
      begin(draft, run, nodes);
    }
    take_place(draft_of(store_), store_, durable_);
  }

  void open() {
    database_.emplace(open_for_writing(written(), SQLite::OPEN_CREATE));
    const bool begun = between_readers(readers_may_take, [this] {
      database_->execAndGet(durable_ ? "PRAGMA journal_mode = WAL"
                                     : "PRAGMA journal_mode = MEMORY");
      return true;
    });
    if (!begun) fail_for_readers(written());
    database_->exec(durable_ ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = OFF");
    // Pages of 4 KiB: the log is carried over, and the disk waited for, at each 16 MiB, not 4.
    database_->exec("PRAGMA wal_autocheckpoint = 4000");
  }

  void write_results(const RunEnd& end, const std::vector<NodeEnd>& nodes,
                     const std::map<std::string, std::string>& host) {
    SQLite::Transaction transaction(*database_);
    write_nodes(nodes);
    SQLite::Statement run(*database_, update_all<RunEnd>());
    write_row(run, end);
    SQLite::Statement fact(*database_, "INSERT OR REPLACE INTO host VALUES (?, ?)");
    for (const auto& [key, value] : host) write_row(fact, HostRow{key, value});
    transaction.commit();
  }

  void write_nodes(const std::vector<NodeEnd>& ends) {
    database_->exec(fmt::format("DELETE FROM {}", Table<NodeRow>::name));
    SQLite::Statement whole(*database_, insert_into_all<NodeRow, NodeSpan, NodeEnd>());
    SQLite::Statement without(*database_, insert_into_all<NodeRow, NodeSpan>());
    divide(nodes_, ends, [&](const NodeRow& row, const NodeEnd* end) {
      if (end != nullptr) {
        write_all(whole, row, row.span, *end);
      } else {
        write_all(without, row, row.span);
      }
    });
  }

  base::FolderLock lock_;
  std::filesystem::path store_;
  bool durable_;
  std::vector<NodeRow> nodes_;
  std::optional<std::vector<JournalRow>> old_journal_;  // of the interrupted run; else empty
  std::size_t old_entries_ = 0;
  std::size_t entries_ = 0;
  std::optional<SQLite::Database> database_;
  std::optional<RowWriter> rows_;  // last: it uses the database
};

StoreWriter::StoreWriter(const std::filesystem::path& folder, const RunRow& run,
                         const std::vector<NodeRow>& nodes, StoreMode mode, bool durable)
    : impl_(std::make_unique<Impl>(folder, run, nodes, mode, durable)) {}
StoreWriter::~StoreWriter() = default;
std::vector<JournalRow> StoreWriter::take_old_journal() { return impl_->take_old_journal(); }
void StoreWriter::add(TaskRow row) { impl_->rows().add(std::move(row)); }
void StoreWriter::add(ActivityRow row) { impl_->rows().add(std::move(row)); }
void StoreWriter::add(AggregationRow row) { impl_->rows().add(row); }
void StoreWriter::add(EvaluationRow row) { impl_->rows().add(row); }
void StoreWriter::add(JournalRow row) { impl_->add(std::move(row)); }
void StoreWriter::add(PresenceRow row) { impl_->rows().add(row); }
void StoreWriter::add(ReadingRow row) { impl_->rows().add(row); }
void StoreWriter::add(TraceRow row) { impl_->rows().add(std::move(row)); }
void StoreWriter::add(TrafficRow row) { impl_->rows().add(std::move(row)); }
void StoreWriter::add(MemoryRow row) { impl_->rows().add(row); }
void StoreWriter::commit() { impl_->rows().commit(); }
void StoreWriter::finish(const RunEnd& end, const std::vector<NodeEnd>& nodes,
                         const std::map<std::string, std::string>& host) {
  impl_->finish(end, nodes, host);
}
std::filesystem::path StoreWriter::path() const { return impl_->path(); }

}  // namespace convoy::sim
