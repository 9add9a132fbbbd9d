#include "sim/run/worker_pool.hpp"

namespace convoy::sim {

WorkerPool::WorkerPool(int workers, const std::function<void()>& prepare)
    : running_(static_cast<std::size_t>(workers), std::stop_source(std::nostopstate)) {
  for (int i = 0; i < workers; ++i) {
    threads_.emplace_back([this, prepare, i] {
      prepare();
      work(static_cast<std::size_t>(i));
    });
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    waiting_ = {};
    for (std::stop_source& stop : running_) stop.request_stop();
  }
  wake_.notify_all();
}

void WorkerPool::add(Waiting job) {
  {
    const std::lock_guard lock(mutex_);
    job.order = order_++;
    waiting_.push(std::move(job));
  }
  wake_.notify_one();
}

void WorkerPool::work(std::size_t self) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (closing_) return;
    Waiting job = waiting_.top();
    waiting_.pop();
    if (job.stop.stop_requested()) continue;  // breaks its promise; no caller waits
    running_[self] = job.stop;
    lock.unlock();
    job.run();
    job = {};  // frees its memory before waiting for the next job
    lock.lock();
    running_[self] = std::stop_source(std::nostopstate);
  }
}

}  // namespace convoy::sim
