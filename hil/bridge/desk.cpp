#include "hil/bridge/desk.hpp"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "base/text.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::hil {
namespace {

// What an update may be larger than the model, for its lists of kept members.
constexpr std::uint64_t margin = 16 << 20;

}  // namespace

Desk::Desk(boost::asio::io_context& io, const std::filesystem::path& folder) : io_(io) {
  if (folder.empty()) return;
  updates_.emplace(folder);
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
}

void Desk::limit(const engine::Architecture& architecture) {
  largest_ = margin;
  for (const engine::ParameterTensor& p : engine::parameter_tensors(architecture)) {
    largest_ += 4 * static_cast<std::uint64_t>(p.elements());
  }
}

void Desk::pack(const engine::TaskInput& input, Packed then) {
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

std::shared_ptr<engine::Unpacking> Desk::box(const std::string& header, std::uint64_t bytes,
                                             const std::string& from) const {
  if (bytes > largest_) {
    throw base::UserError(fmt::format("{}: an update of {}, the model has {}", from,
                                      base::human_bytes(static_cast<double>(bytes)),
                                      base::human_bytes(static_cast<double>(largest_))));
  }
  return engine_->unpack(header, bytes, from);
}

void Desk::file(std::shared_ptr<engine::Unpacking> box, std::string header,
                const engine::TaskInput& input, bool last, Filed then) {
  boost::asio::post(thread_, [this, box = std::move(box), header = std::move(header), input, last,
                              then = std::move(then)] {
    auto verdict = std::make_shared<Verdict>();
    try {
      // The pieces stay where they are: the tensors of the outcome have them.
      const std::vector<std::span<std::byte>> pieces = box->pieces();
      verdict->outcome = engine_->unpack_update(*box, input);
      if (!verdict->outcome.finite) {
        verdict->cause = sim::Cause::diverged;
        verdict->trouble = "its update holds NaN or infinity";
      } else if (updates_ && last) {
        try {
          updates_->write(input.task, header, pieces);
        } catch (const std::exception& e) {
          verdict->unsaved = base::printable(e.what());
        }
      }
    } catch (const std::exception& e) {
      verdict->trouble = base::printable(e.what());
    }
    boost::asio::post(io_, [then, verdict] { then(std::move(*verdict)); });
  });
}

bool Desk::has_filed(sim::TaskId task) const { return updates_ && updates_->has(task); }

void Desk::keep(sim::TaskId task, engine::Outcome outcome) {
  const std::lock_guard lock(mutex_);
  results_[task] = std::move(outcome);
}

bool Desk::has(sim::TaskId task) const {
  const std::lock_guard lock(mutex_);
  return results_.contains(task);
}

engine::Outcome Desk::take(sim::TaskId task) {
  const std::lock_guard lock(mutex_);
  auto result = results_.extract(task);
  if (result.empty()) {
    throw base::UserError(fmt::format("the result of task {} is not here", task));
  }
  return std::move(result.mapped());
}

void Desk::forget(sim::TaskId task) {
  const std::lock_guard lock(mutex_);
  results_.erase(task);
}

}  // namespace convoy::hil
