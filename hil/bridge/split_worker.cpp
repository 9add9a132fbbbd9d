#include "hil/bridge/split_worker.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <thread>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::hil {

SplitWorker::SplitWorker(boost::asio::io_context& io, const std::filesystem::path& folder)
    : io_(io), threads_(std::max(1U, std::thread::hardware_concurrency())) {
  if (!folder.empty()) updates_.emplace(folder);
}

void SplitWorker::begin(const engine::TaskInput& input, std::int64_t samples,
                        std::shared_ptr<const sim::SplitTask> task) {
  auto open = std::make_shared<Open>();
  open->input = input;
  open->samples = samples;
  open->task = std::move(task);
  open_[input.task] = std::move(open);
}

void SplitWorker::forget(sim::TaskId task) {
  const auto gone = open_.extract(task);
  if (!gone.empty()) gone.mapped()->stop.request_stop();
}

void SplitWorker::came(sim::TaskId task, int activity, std::shared_ptr<engine::Unpacking> box,
                       Computed then) {
  const auto found = open_.find(task);
  if (found == open_.end()) return;
  boost::asio::post(threads_, [this, task, activity, open = found->second, box = std::move(box),
                               then = std::move(then)] {
    auto verdict = std::make_shared<Verdict>();
    try {
      compute(*open, activity, *box, *verdict);
    } catch (const engine::Stopped&) {
      return;
    } catch (const std::exception& e) {
      // The engine's own errors say what was wrong with what came; others are this machine's.
      const bool refused = dynamic_cast<const base::UserError*>(&e) != nullptr;
      verdict->cause = refused ? sim::Cause::refused : sim::Cause::failed;
      verdict->trouble = base::printable(e.what());
    }
    boost::asio::post(io_, [this, task, open, then, verdict] {
      const auto there = open_.find(task);
      if (there == open_.end() || there->second != open) return;
      open->sent = std::move(verdict->sent);
      then(std::move(*verdict));
    });
  });
}

void SplitWorker::compute(Open& open, int activity, engine::Unpacking& box,
                          Verdict& verdict) const {
  engine_->prepare_thread();
  const engine::Crossing crossing = engine_->unpack_crossing(box, open.input, open.samples);
  if (!open.part) open.part.emplace(engine_, open.input, open.task, open.stop.get_token());
  ServerPart::Answer answer = open.part->came(activity, crossing);
  if (answer.sent) verdict.sent = Sent{answer.number, engine_->pack_crossing(*answer.sent)};
  if (!answer.outcome) return;
  open.part.reset();
  if (!answer.outcome->finite) {
    verdict.cause = sim::Cause::diverged;
    verdict.trouble = "what it has trained with the server holds NaN or infinity";
    return;
  }
  if (updates_) {
    const engine::Parcel whole = engine_->pack(*answer.outcome);
    try {
      updates_->write(open.input.task, whole.header, whole.pieces);
    } catch (const std::exception& e) {
      verdict.unsaved = base::printable(e.what());
    }
  }
  verdict.outcome = std::move(answer.outcome);
}

const engine::Parcel* SplitWorker::parcel(sim::TaskId task, int artifact) const {
  const auto found = open_.find(task);
  if (found == open_.end()) return nullptr;
  const std::optional<Sent>& sent = found->second->sent;
  return sent && sent->artifact == artifact ? &sent->parcel : nullptr;
}

void SplitWorker::stop() {
  for (const auto& [task, open] : open_) open->stop.request_stop();
}

}  // namespace convoy::hil
