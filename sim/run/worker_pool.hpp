#pragma once

// Threads that compute during the simulation. Jobs are independent; the ones with the highest cost
// run first.
//
//   WorkerPool pool(2, [&] { engine->prepare_thread(); });
//   auto job = pool.submit<Outcome>(flops, [=](std::stop_token stop) { return train(stop); });
//   ...
//   Outcome outcome = job.get();   // throws what the job threw

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <queue>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "base/non_copyable.hpp"

namespace convoy::sim {

// A result to come. give_up() asks the job to stop, or keeps the job from starting.
template <class Result>
class Job {
 public:
  Job() = default;
  Job(std::future<Result> result, std::stop_source stop)
      : result_(std::move(result)), stop_(std::move(stop)) {}

  [[nodiscard]] bool is_ready() const {
    return result_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  // Waits for at most `time`; true if the result is there.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds time) const {
    return result_.wait_for(time) == std::future_status::ready;
  }
  Result get() { return result_.get(); }
  void give_up() { stop_.request_stop(); }

 private:
  std::future<Result> result_;
  std::stop_source stop_{std::nostopstate};
};

class WorkerPool : base::NonCopyable {
 public:
  // `prepare` is called once in each thread.
  WorkerPool(int workers, const std::function<void()>& prepare);
  // Asks running jobs to stop and waits for them; drops the queued jobs.
  ~WorkerPool();

  // `cost`: expected work, in any unit common to all jobs of a pool.
  template <class Result>
  Job<Result> submit(double cost, std::function<Result(std::stop_token)> work) {
    std::stop_source stop;
    auto task = std::make_shared<std::packaged_task<Result()>>(
        [work = std::move(work), token = stop.get_token()] { return work(token); });
    Job<Result> job(task->get_future(), stop);
    add({cost, 0, stop, [task] { (*task)(); }});
    return job;
  }

 private:
  struct Waiting {
    double cost = 0;
    std::uint64_t order = 0;
    std::stop_source stop;
    std::function<void()> run;

    friend bool operator<(const Waiting& a, const Waiting& b) {
      return std::pair(a.cost, b.order) < std::pair(b.cost, a.order);
    }
  };

  void add(Waiting job);
  void work(std::size_t self);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::priority_queue<Waiting> waiting_;
  std::vector<std::stop_source> running_;  // by thread
  std::uint64_t order_ = 0;
  bool closing_ = false;
  std::vector<std::jthread> threads_;  // last: joined before the members that they use go
};

}  // namespace convoy::sim
