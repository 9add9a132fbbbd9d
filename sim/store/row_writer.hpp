#pragma once

// The thread that writes a store's rows, in transactions, while the simulation goes on. Internal to
// sim/store.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "sim/store/rows.hpp"

namespace convoy::sim {

class RowWriter {
 public:
  using Row =
      std::variant<ActivityRow, JournalRow, AggregationRow, EvaluationRow, PresenceRow, ReadingRow>;

  // The database is the thread's own until finish(). `name`: of the store, for messages.
  RowWriter(SQLite::Database& database, std::string name);
  // What was handed over is written still.
  ~RowWriter();
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;

  // From one thread. Rows are handed over many at a time; where the disk is slow the caller waits.
  // Each throws what the writing thread has met.
  void add(Row row);
  void add(TaskRow row);
  // Returns when all that was added is written.
  void commit();
  // The same; then the thread has ended and the database is the caller's.
  void finish();

 private:
  // A task's row is by far the largest: among the others it would blow up all of them.
  struct Batch {
    std::vector<Row> rows;
    std::vector<TaskRow> tasks;

    [[nodiscard]] std::size_t size() const { return rows.size() + tasks.size(); }
  };

  void hand_over_in_time();
  void hand_over();
  void close();
  void write();

  SQLite::Database& database_;
  std::string name_;
  Batch batch_;  // that is being filled
  std::chrono::steady_clock::time_point handed_over_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // of all below
  std::condition_variable wake_writer_;
  std::condition_variable wake_simulation_;
  std::deque<Batch> queue_;
  bool closing_ = false;
  bool writing_ = false;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: it is joined before anything that it uses goes
};

}  // namespace convoy::sim
