#pragma once

// A thread that writes rows in transactions while the simulation goes on. Internal to sim/store.

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/non_copyable.hpp"
#include "sim/store/rows.hpp"

namespace convoy::sim {

class RowWriter : base::NonCopyable {
 public:
  // The thread owns the database until finish(). `name`: the store's name, for messages.
  RowWriter(SQLite::Database& database, std::string name);
  // Writes the queued rows before it ends.
  ~RowWriter();

  // For one thread. Rows are queued in batches; the caller waits if the disk is slow. The rows of a
  // table are written in the order in which they come. All three functions throw the writing
  // thread's errors.
  template <class Row>
  void add(Row row) {
    std::get<std::vector<Row>>(batch_.tables).push_back(std::move(row));
    ++batch_.size;
    hand_over_in_time();
  }
  // Returns when all added rows are written.
  void commit();
  // As commit(); then ends the thread and returns the database to the caller.
  void finish();

 private:
  template <class... Rows>
  using Tables = std::tuple<std::vector<Rows>...>;
  struct Batch {
    Tables<TaskRow, ActivityRow, JournalRow, AggregationRow, EvaluationRow, PresenceRow, ReadingRow,
           TraceRow, TrafficRow, MemoryRow>
        tables;
    std::size_t size = 0;  // rows

    void clear();
  };

  void hand_over_in_time();
  void hand_over();
  void close();
  void write();

  SQLite::Database& database_;
  std::string name_;
  Batch batch_;                           // being filled
  std::chrono::nanoseconds handed_over_;  // when, by the coarse clock
  std::mutex mutex_;                      // guards all below
  std::condition_variable wake_writer_;
  std::condition_variable wake_simulation_;
  std::deque<Batch> queue_;
  std::vector<Batch> spare_;  // written and empty, with their room
  bool closing_ = false;
  bool writing_ = false;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: joined before the members that it uses go
};

}  // namespace convoy::sim
