#include "sim/run/held_results.hpp"

#include <fmt/format.h>

#include "base/diagnostics.hpp"

namespace convoy::sim {

bool HeldResults::Account::take(std::uint64_t bytes) {
  std::uint64_t now = used;
  do {
    if (bytes > limit || now > limit - bytes) return false;
  } while (!used.compare_exchange_weak(now, now + bytes));
  std::uint64_t before = most;
  while (before < now + bytes && !most.compare_exchange_weak(before, now + bytes)) {
  }
  return true;
}

HeldResults::HeldResults(std::shared_ptr<const engine::Engine> engine, std::filesystem::path folder,
                         std::uint64_t limit)
    : engine_(std::move(engine)), folder_(std::move(folder)) {
  account_->limit = limit;
  if (folder_.empty()) return;
  std::error_code failure;
  std::filesystem::remove_all(folder_, failure);
  if (failure) {
    throw base::UserError(
        fmt::format("{}: what an interrupted run has left there cannot be removed ({}); remove it",
                    folder_.string(), failure.message()));
  }
}

HeldResults::~HeldResults() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

template <class Kind>
std::shared_ptr<const Kind> HeldResults::keep_any(std::shared_ptr<const Kind> object) {
  const std::uint64_t bytes = object && !folder_.empty() ? object->bytes() : 0;
  if (bytes == 0) return object;
  if (account_->take(bytes)) {
    const Kind* const held = object.get();
    return {held, [object = std::move(object), account = account_, bytes](const Kind*) mutable {
              object.reset();
              account->give_back(bytes);
            }};
  }
  const std::uint64_t number = ++files_;
  bytes_set_aside_ += bytes;
  try {
    std::error_code failure;
    std::filesystem::create_directories(folder_, failure);
    if (failure) throw base::UserError("it cannot be made: " + failure.message());
    return engine_->set_aside(object, folder_ / std::to_string(number));
  } catch (const base::UserError& e) {
    throw base::UserError(fmt::format(
        "{}: what was learned and waits there for its aggregation cannot be written ({}); make "
        "room, or let more of it wait in memory (output.held_mib), and go on with --resume",
        folder_.string(), e.what()));
  }
}

std::shared_ptr<const engine::Artifact> HeldResults::keep(
    std::shared_ptr<const engine::Artifact> artifact) {
  return keep_any(std::move(artifact));
}
std::shared_ptr<const engine::NodeState> HeldResults::keep(
    std::shared_ptr<const engine::NodeState> state) {
  return keep_any(std::move(state));
}

}  // namespace convoy::sim
