#include "sim/store/row_writer.hpp"

#include <fmt/format.h>
#include <time.h>

#include <stdexcept>
#include <tuple>
#include <utility>

#include "sim/store/sql.hpp"

namespace convoy::sim {
namespace {

constexpr std::size_t rows_a_batch = 8192;
constexpr std::chrono::milliseconds batch_age(500);  // so that rows of slow runs are written, too
constexpr std::size_t batches_waiting = 8;           // then the simulation waits for the disk

// To a few milliseconds, and much cheaper than steady_clock: it is asked at each row.
std::chrono::nanoseconds coarse_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

template <class Row>
struct Insert {
  explicit Insert(SQLite::Database& database) : statement(database, insert_into<Row>()) {}
  SQLite::Statement statement;
};

// The prepared statements of the writing thread.
class Inserter {
 public:
  explicit Inserter(SQLite::Database& database)
      : inserts_(database, database, database, database, database, database, database, database,
                 database, database) {}

  template <class Row>
  void operator()(const Row& row) {
    write_row(std::get<Insert<Row>>(inserts_).statement, row);
  }

 private:
  std::tuple<Insert<ActivityRow>, Insert<TaskRow>, Insert<JournalRow>, Insert<AggregationRow>,
             Insert<EvaluationRow>, Insert<PresenceRow>, Insert<ReadingRow>, Insert<TraceRow>,
             Insert<TrafficRow>, Insert<MemoryRow>>
      inserts_;
};

}  // namespace

RowWriter::RowWriter(SQLite::Database& database, std::string name)
    : database_(database), name_(std::move(name)), handed_over_(coarse_now()) {
  thread_ = std::jthread([this] { write(); });
}

RowWriter::~RowWriter() { close(); }

void RowWriter::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_writer_.notify_one();
}

void RowWriter::add(Row row) {
  batch_.rows.push_back(std::move(row));
  hand_over_in_time();
}

void RowWriter::add(TaskRow row) {
  batch_.tasks.push_back(std::move(row));
  hand_over_in_time();
}

void RowWriter::hand_over_in_time() {
  const bool old = coarse_now() - handed_over_ > batch_age;
  if (old || batch_.size() >= rows_a_batch) hand_over();
}

void RowWriter::hand_over() {
  std::unique_lock lock(mutex_);
  wake_simulation_.wait(lock, [this] { return queue_.size() < batches_waiting || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  queue_.push_back(std::exchange(batch_, {}));
  batch_.rows.reserve(rows_a_batch);
  batch_.tasks.reserve(rows_a_batch / 4);
  handed_over_ = coarse_now();
  lock.unlock();
  wake_writer_.notify_one();
}

void RowWriter::commit() {
  if (batch_.size() > 0) hand_over();
  std::unique_lock lock(mutex_);
  wake_simulation_.wait(lock, [this] { return (queue_.empty() && !writing_) || failure_; });
  if (failure_) std::rethrow_exception(failure_);
}

void RowWriter::finish() {
  hand_over();
  close();
  thread_.join();
  if (failure_) std::rethrow_exception(failure_);
}

void RowWriter::write() {
  try {
    Inserter inserter(database_);
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
      SQLite::Transaction transaction(database_);
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
        std::runtime_error(fmt::format("{}: cannot be written ({})", name_, e.what())));
    wake_simulation_.notify_one();
  }
}

}  // namespace convoy::sim
