#include "hil/bridge/parcel_worker.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "base/text.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::hil {

ParcelWorker::ParcelWorker(boost::asio::io_context& io, const std::filesystem::path& folder)
    : io_(io) {
  if (folder.empty()) return;
  updates_.emplace(folder);
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
}

void ParcelWorker::limit(const engine::Architecture& architecture, bool with_squares) {
  largest_ = engine::largest_parcel(architecture, with_squares);
}

void ParcelWorker::pack(const engine::TaskInput& input, Packed then) {
  boost::asio::post(thread_, [this, input, then = std::move(then), engine = engine_] {
    auto parcel = std::make_shared<engine::Parcel>();
    std::string trouble;
    try {
      *parcel = engine->pack(input);
    } catch (const std::exception& e) {
      trouble = base::printable(e.what());
    }
    boost::asio::post(io_, [then, parcel, trouble] { then(parcel, trouble); });
  });
}

void ParcelWorker::box(std::string header, std::uint64_t bytes, std::string from, Boxed then,
                       std::optional<std::uint64_t> largest) {
  boost::asio::post(
      boxes_, [this, header = std::move(header), bytes, from = std::move(from),
               then = std::move(then), engine = engine_, largest = largest.value_or(largest_)] {
        std::shared_ptr<engine::Unpacking> box;
        std::string trouble;
        try {
          if (bytes > largest) {
            throw base::UserError(fmt::format("{}: an update of {}, the model has {}", from,
                                              base::human_bytes(static_cast<double>(bytes)),
                                              base::human_bytes(static_cast<double>(largest))));
          }
          box = engine->unpack(header, bytes, from);
        } catch (const std::exception& e) {
          trouble = base::printable(e.what());
        }
        boost::asio::post(io_, [then, box, trouble] { then(box, trouble); });
      });
}

void ParcelWorker::file(std::shared_ptr<engine::Unpacking> box, std::string header,
                        const engine::TaskInput& input, std::int64_t samples, bool last,
                        Filed then) {
  boost::asio::post(thread_, [this, box = std::move(box), header = std::move(header), input,
                              samples, last, then = std::move(then)] {
    auto verdict = std::make_shared<Verdict>();
    // The outcome's tensors use this memory, so it must stay.
    const std::vector<std::span<std::byte>> pieces = box->pieces();
    static_cast<CheckedUpdate&>(*verdict) = check_update(*engine_, *box, header, input, samples);
    if (verdict->trouble.empty() && updates_ && last) {
      try {
        updates_->write(input.task, header, pieces);
      } catch (const std::exception& e) {
        verdict->unsaved = base::printable(e.what());
      }
    }
    boost::asio::post(io_, [then, verdict] { then(std::move(*verdict)); });
  });
}

void ParcelWorker::keep(sim::TaskId task, engine::Outcome outcome) {
  const std::lock_guard lock(mutex_);
  results_[task] = std::move(outcome);
}

bool ParcelWorker::has(sim::TaskId task) const {
  const std::lock_guard lock(mutex_);
  return results_.contains(task);
}

engine::Outcome ParcelWorker::take(sim::TaskId task) {
  const std::lock_guard lock(mutex_);
  auto result = results_.extract(task);
  if (result.empty()) {
    throw base::UserError(fmt::format("the result of task {} is not here", task));
  }
  return std::move(result.mapped());
}

void ParcelWorker::forget(sim::TaskId task) {
  const std::lock_guard lock(mutex_);
  results_.erase(task);
}

}  // namespace convoy::hil
