#include "analysis/live/state.hpp"

#include <chrono>
#include <utility>

namespace convoy::analysis {

void LiveState::put(LiveStatus status) {
  {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  wanted_ = false;
  begun_ = true;
}

void LiveState::wait_while_paused(const std::atomic<bool>& interrupted) {
  if (!paused_.load(std::memory_order_relaxed)) return;
  std::unique_lock lock(mutex_);
  // `interrupted` is set by a signal handler, which cannot notify: poll.
  constexpr std::chrono::milliseconds look(50);
  while (paused_ && !interrupted) resumed_.wait_for(lock, look);
}

LiveStatus LiveState::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void LiveState::set_paused(bool paused) {
  {
    const std::lock_guard lock(mutex_);
    paused_ = paused;
  }
  resumed_.notify_all();
}

}  // namespace convoy::analysis
