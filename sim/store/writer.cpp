#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <variant>

#include "base/files.hpp"
#include "sim/store/reading.hpp"
#include "sim/store/schema.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {
namespace {

using Row =
    std::variant<ActivityRow, JournalRow, AggregationRow, EvaluationRow, PresenceRow, ReadingRow>;
// A task's row is by far the largest: among the others it would blow up all of them.
struct Batch {
  std::vector<Row> rows;
  std::vector<TaskRow> tasks;

  [[nodiscard]] std::size_t size() const { return rows.size() + tasks.size(); }
};

constexpr std::size_t rows_a_batch = 8192;
constexpr std::chrono::milliseconds batch_age(500);  // a slow run is written down as well
constexpr std::size_t batches_waiting = 8;           // then the simulation waits for the disk

// Held as long as a process writes to the folder.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : file_(::open((folder / "run.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
                     0644)) {
    if (file_ < 0) {
      throw StoreError(
          fmt::format("{}: cannot be written to; choose another folder with -o", folder.string()));
    }
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      ::close(file_);
      throw StoreError(
          fmt::format("{}: another convoy is writing there; wait for it, or choose "
                      "another folder with -o",
                      folder.string()));
    }
  }
  ~FolderLock() { ::close(file_); }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_;
};

template <class T>
void bind(SQLite::Statement& statement, int at, const std::optional<T>& value) {
  if (value) {
    statement.bind(at, *value);
  } else {
    statement.bind(at);
  }
}
template <class T>
void bind(SQLite::Statement& statement, int at, const T& value) {
  statement.bind(at, value);
}
void bind(SQLite::Statement& statement, int at, const std::string& value) {
  statement.bindNoCopy(at, value);  // the row outlives the step
}

template <class... Values>
void insert(SQLite::Statement& statement, const Values&... values) {
  int at = 0;
  (bind(statement, ++at, values), ...);
  statement.exec();
  statement.reset();
}

// The prepared statements of the writing thread.
class Inserter {
 public:
  explicit Inserter(SQLite::Database& database)
      : activity_(database,
                  "INSERT INTO activity (task, activity, iteration, kind, label, node, peer, "
                  "ready_s, start_s, end_s, bytes, flops, energy_j, cause, real, "
                  "predicted_s) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        task_(database,
              "INSERT INTO task (id, node, label, kind, rate, samples, base_version, assigned_s, "
              "ended_s, outcome, aggregated_version, staleness, consumed_by, published_version, "
              "busy_s, communicating_s, bytes_down, bytes_up, flops, energy_j, kept, loss, "
              "local_accuracy, share) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        journal_(database, "INSERT INTO journal VALUES (?,?,?,?,?,?,?)"),
        aggregation_(database,
                     "INSERT INTO aggregation (version, task, start_s, end_s, updates, samples, "
                     "staleness_mean, staleness_max, coverage_min, untrained) "
                     "VALUES (?,?,?,?,?,?,?,?,?,?)"),
        evaluation_(database, "INSERT INTO evaluation VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        presence_(database, "INSERT INTO presence VALUES (?,?,?,?)"),
        reading_(database, "INSERT INTO reading VALUES (?,?,?,?,?,?,?,?,?)") {}

  void operator()(const ActivityRow& r) {
    insert(activity_, r.task, r.activity, r.iteration, r.kind, r.label, r.node, r.peer, r.ready_s,
           r.start_s, r.end_s, r.bytes, r.flops, r.energy_j, r.cause, r.real ? 1 : 0,
           r.predicted_s);
  }
  void operator()(const TaskRow& r) {
    insert(task_, r.id, r.node, r.label, r.is_update ? "update" : "aggregation", r.rate, r.samples,
           r.base_version, r.assigned_s, r.ended_s, r.outcome, r.aggregated_version, r.staleness,
           r.consumed_by, r.published_version, r.busy_s, r.communicating_s, r.bytes_down,
           r.bytes_up, r.flops, r.energy_j, r.kept, r.loss, r.local_accuracy, r.share);
  }
  void operator()(const JournalRow& r) {
    insert(journal_, r.sequence, r.time_s, r.is_order ? "order" : "event", r.kind, r.node, r.task,
           r.detail);
  }
  void operator()(const AggregationRow& r) {
    insert(aggregation_, r.version, r.task, r.start_s, r.end_s, r.updates, r.samples,
           r.staleness_mean, r.staleness_max, r.coverage_min, r.untrained);
  }
  void operator()(const EvaluationRow& r) {
    insert(evaluation_, r.version, r.time_s, r.exit, r.blocks, r.judged ? 1 : 0, r.loss, r.top1,
           r.top5, r.f1, r.untrained, r.bytes, r.energy_j, r.energy_server_j);
  }
  void operator()(const PresenceRow& r) {
    insert(presence_, r.time_s, r.node, r.present ? 1 : 0, r.for_good ? 1 : 0);
  }
  void operator()(const ReadingRow& r) {
    insert(reading_, r.wall_s, r.time_s, r.node, r.power_w, r.temperature_c, r.cpu_load, r.gpu_load,
           r.memory_used_bytes, r.memory_total_bytes);
  }

 private:
  SQLite::Statement activity_;
  SQLite::Statement task_;
  SQLite::Statement journal_;
  SQLite::Statement aggregation_;
  SQLite::Statement evaluation_;
  SQLite::Statement presence_;
  SQLite::Statement reading_;
};

// Where a run is put down that begins, until it has all that readers ask of it.
std::filesystem::path draft_of(const std::filesystem::path& store) {
  return store.string() + ".begun";
}

void remove_log(const std::filesystem::path& path) {
  for (const char* suffix : {"-wal", "-shm", "-journal"})
    std::filesystem::remove(path.string() + suffix);
}
void remove_database(const std::filesystem::path& path) {
  remove_log(path);
  std::filesystem::remove(path);
}

constexpr int readers_may_take_ms = 30'000;
constexpr std::chrono::milliseconds readers_may_take(readers_may_take_ms);

// Waits for those who read it: they hold the lock for moments, while a log is begun or taken up.
SQLite::Database open_for_writing(const std::filesystem::path& path, int more = 0) {
  return {path.string(), SQLite::OPEN_READWRITE | more, readers_may_take_ms};
}

// Does what SQLite may refuse at once while somebody is reading, without waiting, until it is done.
// False where they stay for longer than that.
template <class Action>
bool between_readers(std::chrono::milliseconds longest, Action action) {
  constexpr std::chrono::milliseconds pause(25);
  const auto end = std::chrono::steady_clock::now() + longest;
  while (true) {
    try {
      if (action()) return true;
    } catch (const SQLite::Exception& e) {
      if (e.getErrorCode() != SQLITE_BUSY && e.getErrorCode() != SQLITE_LOCKED) throw;
    }
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(pause);
  }
}

// All of it into the file itself; waits for those who are reading. False where somebody keeps on:
// what is left in the log belongs to the file, and must neither be lost with it nor come over
// another.
bool empty_the_log(SQLite::Database& database, int longest_ms) {
  database.setBusyTimeout(longest_ms);
  return between_readers(std::chrono::milliseconds(longest_ms), [&] {
    return database.execAndGet("PRAGMA wal_checkpoint(TRUNCATE)").getInt() == 0;
  });
}

// A file that will not be written any more needs no log: it can be read where nobody may write. If
// readers stay, the store stays as it is, which is as good but for that.
void leave_wal(SQLite::Database& database) {
  constexpr std::chrono::milliseconds longest(500);
  database.setBusyTimeout(0);
  try {
    between_readers(longest, [&] {
      return database.execAndGet("PRAGMA journal_mode = DELETE").getString() != "wal";
    });
  } catch (const SQLite::Exception&) {  // all of it is in the file
  }
}

// `from`, whose log is empty, becomes `to`, at once: one of them is always there. What stands at
// `to` goes; who opens it just before must neither read it without its log nor begin one in its
// name.
void take_place(const std::filesystem::path& from, const std::filesystem::path& to, bool durable) {
  if (std::filesystem::exists(to)) {
    try {
      constexpr int longest_ms = 500;
      SQLite::Database old = open_for_writing(to);
      empty_the_log(old, longest_ms);
      leave_wal(old);
    } catch (const SQLite::Exception&) {  // it is none, or damaged: nobody reads it
    }
  }
  remove_log(to);
  std::filesystem::rename(from, to);
  remove_log(from);
  if (durable) base::sync_folder(to.parent_path());
}

[[noreturn]] void fail_for_readers(const std::filesystem::path& store) {
  throw StoreError(
      fmt::format("{}: somebody keeps on reading it, so no other run can take its "
                  "place; end that (a report, sqlite3) and run `convoy run --resume`",
                  store.string()));
}

// A database that was opened, but killed before its first transaction.
bool is_blank(SQLite::Database& database) {
  return database.execAndGet("SELECT COUNT(*) FROM sqlite_master").getInt() == 0 &&
         database.execAndGet("PRAGMA user_version").getInt() == 0;
}

// Writing: after a power cut its very first step may have to be taken back.
bool is_blank_file(const std::filesystem::path& path) {
  try {
    bool blank = false;
    return between_readers(readers_may_take,
                           [&] {
                             SQLite::Database database = open_for_writing(path);
                             blank = is_blank(database);
                             return true;
                           }) &&
           blank;
  } catch (const SQLite::Exception&) {
    return false;  // something else: others say what
  }
}

// Of the store of that scenario; -1 where there is none.
std::int64_t journal_entries(const std::filesystem::path& path, const std::string& hash,
                             const std::string& course) {
  if (!std::filesystem::exists(path)) return -1;
  bool seen = false;
  bool empty = true;
  std::int64_t entries = -1;
  try {
    seen = between_readers(readers_may_take, [&] {
      SQLite::Database database = open_for_writing(path);
      if (is_blank(database)) return true;
      check_store(path, database);
      if (!is_same_course(read_run(database).run, hash, course)) return true;
      empty = empty_the_log(database, readers_may_take_ms);
      entries = database.execAndGet("SELECT COUNT(*) FROM journal").getInt64();
      return true;
    });
  } catch (const std::exception&) {
    return -1;
  }
  // What cannot be looked at now is not nothing.
  if (!seen || !empty) fail_for_readers(path);
  return entries;
}

// A resumption that was killed is gone on from where it had come as far as the run before it: what
// happened since then is only there.
void settle(const std::filesystem::path& path, const std::string& hash, const std::string& course) {
  const std::int64_t newer = journal_entries(beside(path), hash, course);
  if (newer >= 0 && newer >= journal_entries(path, hash, course)) {
    take_place(beside(path), path, true);
  }
  remove_database(beside(path));
  remove_database(draft_of(path));
  if (std::filesystem::exists(path) && is_blank_file(path)) remove_database(path);
}

}  // namespace

void settle_resumption(const std::filesystem::path& folder, const std::string& scenario_hash,
                       const std::string& course) {
  if (!std::filesystem::exists(folder)) return;
  const FolderLock lock(folder);
  settle(store_path(folder), scenario_hash, course);
}

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
      : final_path_(store_path(folder)), path_(final_path_), durable_(durable) {
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure) {
      throw StoreError(fmt::format("{}: cannot be made ({}); choose another folder with -o",
                                   folder.string(), failure.message()));
    }
    lock_ = std::make_unique<FolderLock>(folder);
    if (mode == StoreMode::resume) {
      if (read_old(run)) path_ = beside(final_path_);
    } else {
      prepare_folder(mode == StoreMode::overwrite);
    }
    try {
      open(run, nodes);
    } catch (const SQLite::Exception& e) {
      throw StoreError(fmt::format("{}: cannot be written ({})", path_.string(), e.what()));
    } catch (const std::filesystem::filesystem_error& e) {
      throw StoreError(
          fmt::format("{}: cannot be written ({})", path_.string(), e.code().message()));
    }
    writer_ = std::jthread([this] { write(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_writer_.notify_one();
  }

  void add(Row row) {
    if (std::holds_alternative<JournalRow>(row)) ++entries_;
    batch_.rows.push_back(std::move(row));
    hand_over_in_time();
  }
  void add(TaskRow row) {
    batch_.tasks.push_back(std::move(row));
    hand_over_in_time();
  }

  void hand_over_in_time() {
    const bool old = std::chrono::steady_clock::now() - handed_over_ > batch_age;
    if (old || batch_.size() >= rows_a_batch) hand_over();
  }

  void commit() {
    if (batch_.size() > 0) hand_over();
    std::unique_lock lock(mutex_);
    wake_simulation_.wait(lock, [this] { return (queue_.empty() && !writing_) || failure_; });
    if (failure_) std::rethrow_exception(failure_);
  }

  void finish(const RunEnd& end, const std::vector<NodeEnd>& nodes,
              const std::map<std::string, std::string>& host) {
    hand_over();
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_writer_.notify_one();
    writer_.join();
    if (failure_) std::rethrow_exception(failure_);
    write_results(end, nodes, host);
    const bool empty = empty_the_log(*database_, path_ == final_path_ ? 0 : readers_may_take_ms);
    if (empty) leave_wal(*database_);
    if (path_ == final_path_) return;
    if (!empty) fail_for_readers(path_);
    replace_old();
  }

  std::vector<JournalRow> old_journal;

  [[nodiscard]] const std::filesystem::path& path() const { return final_path_; }

 private:
  void prepare_folder(bool overwrite) {
    if (!overwrite) refuse_existing(path_.parent_path());
    remove_database(beside(path_));  // of a resumption that nobody goes on with
    remove_database(draft_of(path_));
  }

  // False where nothing is there to be resumed: never begun, or killed before it began.
  bool read_old(const RunRow& run) {
    settle(final_path_, run.scenario_hash, run.course);
    if (!std::filesystem::exists(final_path_)) return false;
    try {
      bool blank = false;
      const bool seen = between_readers(readers_may_take, [&] {
        SQLite::Database old = open_for_writing(final_path_);
        blank = is_blank(old);
        if (blank) return true;
        check_store(final_path_, old);
        check_same(read_run(old).run, run);
        old_journal = read_journal(old);
        return true;
      });
      if (!seen) fail_for_readers(final_path_);
      old_entries_ = static_cast<std::int64_t>(old_journal.size());
      return !blank;
    } catch (const SQLite::Exception& e) {
      throw StoreError(fmt::format("{}: is no run store, or a damaged one ({})",
                                   final_path_.string(), e.what()));
    }
  }

  void check_same(const RunRow& stored, const RunRow& run) const {
    const std::string folder = final_path_.parent_path().string();
    if (!is_same_course(stored, run.scenario_hash, run.course)) {
      throw StoreError(fmt::format(
          "{}: holds the run of another scenario ({}, or the same with other settings); resume "
          "with the same file and --set (only [stop] may be another), or choose another folder "
          "with -o",
          folder, stored.name));
    }
    if (stored.version != run.version) {
      throw StoreError(
          fmt::format("{}: was begun by Convoy {}, this is {}; resume with the same, "
                      "or --overwrite",
                      folder, stored.version, run.version));
    }
  }

  void open(const RunRow& run, const std::vector<NodeRow>& nodes) {
    if (path_ == final_path_) {
      // It is there with all that readers ask of it, or not at all.
      {
        SQLite::Database draft = open_for_writing(draft_of(path_), SQLite::OPEN_CREATE);
        begin(draft, run, nodes);
      }
      take_place(draft_of(path_), path_, durable_);
    }
    database_ = std::make_unique<SQLite::Database>(open_for_writing(path_, SQLite::OPEN_CREATE));
    const bool begun = between_readers(readers_may_take, [this] {
      database_->execAndGet(durable_ ? "PRAGMA journal_mode = WAL"
                                     : "PRAGMA journal_mode = MEMORY");
      return true;
    });
    if (!begun) fail_for_readers(path_);
    database_->exec(durable_ ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = OFF");
    if (path_ != final_path_) begin(*database_, run, nodes);
  }

  // All tables, and what is known of the run before it begins.
  void begin(SQLite::Database& database, const RunRow& run,
             const std::vector<NodeRow>& nodes) const {
    if (!durable_) database.exec("PRAGMA synchronous = OFF");
    SQLite::Transaction transaction(database);
    database.exec(schema_sql);
    database.exec(fmt::format("PRAGMA user_version = {}", store_version));
    SQLite::Statement first(database, "INSERT INTO run VALUES (?,?,?,?,?,?,?,'running','',NULL)");
    insert(first, run.name, run.schedule, static_cast<std::int64_t>(run.seed), run.scenario,
           run.scenario_hash, run.version, run.world);
    SQLite::Statement course(database, "INSERT INTO host VALUES ('course',?)");
    insert(course, run.course);
    SQLite::Statement node(database,
                           "INSERT INTO node (id, name, device, mode, link, backend, memory_bytes, "
                           "samples, batch) VALUES (?,?,?,?,?,?,?,?,?)");
    for (const NodeRow& n : nodes) {
      insert(node, n.id, n.name, n.device, n.mode, n.link, n.backend, n.memory_bytes, n.samples,
             n.batch);
    }
    transaction.commit();
  }

  void write_results(const RunEnd& end, const std::vector<NodeEnd>& nodes,
                     const std::map<std::string, std::string>& host) {
    SQLite::Transaction transaction(*database_);
    SQLite::Statement node(
        *database_,
        "UPDATE node SET busy_s=?, communicating_s=?, waiting_s=?, away_s=?, "
        "bytes_in=?, bytes_out=?, peak_memory_bytes=?, energy_j=?, tasks=?, tasks_failed=? "
        "WHERE id=?");
    for (const NodeEnd& n : nodes) {
      insert(node, n.busy_s, n.communicating_s, n.waiting_s, n.away_s, n.bytes_in, n.bytes_out,
             n.peak_memory_bytes, n.energy_j, n.tasks, n.tasks_failed, n.id);
    }
    SQLite::Statement run(*database_, "UPDATE run SET status=?, cause=?, virtual_time_s=?");
    insert(run, name_of(end.status), end.cause, end.virtual_time_s);
    SQLite::Statement fact(*database_, "INSERT OR REPLACE INTO host VALUES (?,?)");
    for (const auto& [key, value] : host) insert(fact, key, value);
    transaction.commit();
  }

  // A resumed run is simulated anew in a file beside the old one, and takes its place when it has
  // come at least as far; else the old one stays as it was.
  void replace_old() {
    database_.reset();  // closes the file; its log is empty
    if (entries_ < old_entries_) {
      remove_database(path_);
      return;
    }
    // The old log must not come over the new file, whoever still has it open.
    {
      SQLite::Database old = open_for_writing(final_path_);
      if (!empty_the_log(old, readers_may_take_ms)) fail_for_readers(final_path_);
    }
    take_place(path_, final_path_, durable_);
  }

  void hand_over() {
    std::unique_lock lock(mutex_);
    wake_simulation_.wait(lock, [this] { return queue_.size() < batches_waiting || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    queue_.push_back(std::exchange(batch_, {}));
    batch_.rows.reserve(rows_a_batch);
    batch_.tasks.reserve(rows_a_batch / 4);
    handed_over_ = std::chrono::steady_clock::now();
    lock.unlock();
    wake_writer_.notify_one();
  }

  // The writing thread.
  void write() {
    try {
      Inserter inserter(*database_);
      for (;;) {
        Batch batch;
        {
          std::unique_lock lock(mutex_);
          wake_writer_.wait(lock, [this] { return closing_ || !queue_.empty(); });
          if (queue_.empty()) return;
          batch = std::move(queue_.front());
          queue_.pop_front();
          writing_ = true;
        }
        wake_simulation_.notify_one();
        SQLite::Transaction transaction(*database_);
        for (const TaskRow& row : batch.tasks) inserter(row);
        for (const Row& row : batch.rows) std::visit(inserter, row);
        transaction.commit();
        {
          const std::lock_guard lock(mutex_);
          writing_ = false;
        }
        wake_simulation_.notify_one();
      }
    } catch (const std::exception& e) {
      const std::lock_guard lock(mutex_);
      failure_ = std::make_exception_ptr(
          std::runtime_error(fmt::format("{}: cannot be written ({})", path_.string(), e.what())));
      wake_simulation_.notify_one();
    }
  }

  std::filesystem::path final_path_;
  std::filesystem::path path_;    // where it is written
  std::int64_t old_entries_ = 0;  // of the interrupted run's journal
  std::int64_t entries_ = 0;
  std::unique_ptr<FolderLock> lock_;
  std::unique_ptr<SQLite::Database> database_;
  Batch batch_;
  std::chrono::steady_clock::time_point handed_over_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::condition_variable wake_writer_;
  std::condition_variable wake_simulation_;
  std::deque<Batch> queue_;
  bool closing_ = false;
  bool writing_ = false;
  std::exception_ptr failure_;
  bool durable_;
  std::jthread writer_;  // last: it is joined before anything that it uses goes
};

StoreWriter::StoreWriter(const std::filesystem::path& folder, const RunRow& run,
                         const std::vector<NodeRow>& nodes, StoreMode mode, bool durable)
    : impl_(std::make_unique<Impl>(folder, run, nodes, mode, durable)) {}
StoreWriter::~StoreWriter() = default;
std::vector<JournalRow> StoreWriter::take_old_journal() {
  return std::exchange(impl_->old_journal, {});
}
void StoreWriter::add(TaskRow row) { impl_->add(std::move(row)); }
void StoreWriter::add(ActivityRow row) { impl_->add(std::move(row)); }
void StoreWriter::add(AggregationRow row) { impl_->add(row); }
void StoreWriter::add(EvaluationRow row) { impl_->add(row); }
void StoreWriter::add(JournalRow row) { impl_->add(std::move(row)); }
void StoreWriter::add(PresenceRow row) { impl_->add(row); }
void StoreWriter::add(ReadingRow row) { impl_->add(row); }
void StoreWriter::commit() { impl_->commit(); }
void StoreWriter::finish(const RunEnd& end, const std::vector<NodeEnd>& nodes,
                         const std::map<std::string, std::string>& host) {
  impl_->finish(end, nodes, host);
}
std::filesystem::path StoreWriter::path() const { return impl_->path(); }

}  // namespace convoy::sim
