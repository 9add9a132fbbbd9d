#include "sim/store/row_writer.hpp"

#include <fmt/format.h>
#include <time.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "sim/store/sql.hpp"

namespace convoy::sim {
namespace {

constexpr std::size_t rows_a_batch = 8192;
constexpr std::chrono::milliseconds batch_age(500);  // so that rows of slow runs are written, too
constexpr std::size_t most_spares = 2;
constexpr std::size_t batches_waiting = 8;  // then the simulation waits for the disk

// To a few milliseconds, and much cheaper than steady_clock: it is asked at each row.
std::chrono::nanoseconds coarse_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Writes the rows of a table in their order, many at once.
template <class Row>
class Insert {
 public:
  explicit Insert(SQLite::Database& database) : database_(&database) {}

  void write(const std::vector<Row>& rows) {
    std::size_t next = 0;
    for (; rows.size() - next >= at_once; next += at_once) {
      if (!many_) many_.emplace(*database_, insert_many_into<Row>(at_once));
      int at = 0;
      for (std::size_t i = next; i < next + at_once; ++i) at = bind_row(*many_, rows[i], at);
      many_->exec();
      many_->reset();
    }
    for (; next < rows.size(); ++next) {
      if (!one_) one_.emplace(*database_, insert_into<Row>());
      write_row(*one_, rows[next]);
    }
  }

 private:
  static constexpr std::size_t at_once = 32;

  SQLite::Database* database_;
  std::optional<SQLite::Statement> one_;  // prepared for the first that need them
  std::optional<SQLite::Statement> many_;
};

// The statements of the writing thread, by row type.
template <class Tables>
class Inserts;
template <class... Rows>
class Inserts<std::tuple<std::vector<Rows>...>> {
 public:
  explicit Inserts(SQLite::Database& database) : inserts_(Insert<Rows>(database)...) {}

  void write(const std::tuple<std::vector<Rows>...>& tables) {
    (std::get<Insert<Rows>>(inserts_).write(std::get<std::vector<Rows>>(tables)), ...);
  }

 private:
  std::tuple<Insert<Rows>...> inserts_;
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

void RowWriter::Batch::clear() {
  std::apply([](auto&... table) { (table.clear(), ...); }, tables);
  size = 0;
}

void RowWriter::hand_over_in_time() {
  const bool old = coarse_now() - handed_over_ > batch_age;
  if (old || batch_.size >= rows_a_batch) hand_over();
}

void RowWriter::hand_over() {
  std::unique_lock lock(mutex_);
  wake_simulation_.wait(lock, [this] { return queue_.size() < batches_waiting || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  queue_.push_back(std::exchange(batch_, {}));
  if (!spare_.empty()) {
    batch_ = std::move(spare_.back());
    spare_.pop_back();
  }
  handed_over_ = coarse_now();
  lock.unlock();
  wake_writer_.notify_one();
}

void RowWriter::commit() {
  if (batch_.size > 0) hand_over();
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
    Inserts<decltype(Batch::tables)> inserts(database_);
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
      inserts.write(batch.tables);
      transaction.commit();
      batch.clear();
      {
        const std::lock_guard lock(mutex_);
        writing_ = false;
        if (spare_.size() < most_spares) spare_.push_back(std::move(batch));
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
