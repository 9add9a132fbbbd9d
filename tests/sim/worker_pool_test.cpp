#include "sim/run/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace convoy::sim {
namespace {

TEST(WorkerPool, GivesResultsAndFailuresAndPreparesEachThread) {
  std::atomic<int> prepared = 0;
  {
    WorkerPool pool(3, [&] { ++prepared; });
    std::vector<Job<int>> jobs;
    for (int i = 0; i < 100; ++i) {
      jobs.push_back(pool.submit<int>(i, [i](const std::stop_token&) { return i * i; }));
    }
    for (int i = 0; i < 100; ++i) EXPECT_EQ(jobs[static_cast<std::size_t>(i)].get(), i * i);
    Job<int> fails =
        pool.submit<int>(1, [](const std::stop_token&) -> int { throw std::runtime_error("no"); });
    EXPECT_THROW(fails.get(), std::runtime_error);
  }
  EXPECT_EQ(prepared, 3);
}

TEST(WorkerPool, TheLongestExpectedGoesFirstThenTheFirst) {
  WorkerPool pool(1, [] {});
  std::latch begun(1);
  std::latch go(1);
  Job<int> blocks = pool.submit<int>(1, [&](const std::stop_token&) {
    begun.count_down();
    go.wait();
    return 0;
  });
  begun.wait();
  std::vector<int> order;
  std::vector<Job<int>> jobs;
  const std::vector<double> costs = {1, 5, 3, 5};
  for (int i = 0; i < 4; ++i) {
    jobs.push_back(
        pool.submit<int>(costs[static_cast<std::size_t>(i)], [&order, i](const std::stop_token&) {
          order.push_back(i);
          return 0;
        }));
  }
  go.count_down();
  for (Job<int>& job : jobs) job.get();
  EXPECT_EQ(order, (std::vector<int>{1, 3, 2, 0}));
}

TEST(WorkerPool, WhatIsGivenUpStopsOrNeverStarts) {
  WorkerPool pool(1, [] {});
  std::latch begun(1);
  std::atomic<bool> ran = false;
  Job<int> runs = pool.submit<int>(1, [&](const std::stop_token& stop) {
    begun.count_down();
    while (!stop.stop_requested()) std::this_thread::yield();
    return 7;
  });
  Job<int> waits = pool.submit<int>(1, [&](const std::stop_token&) {
    ran = true;
    return 0;
  });
  begun.wait();
  waits.give_up();
  runs.give_up();
  EXPECT_EQ(runs.get(), 7);
  Job<int> last = pool.submit<int>(1, [](const std::stop_token&) { return 1; });
  EXPECT_EQ(last.get(), 1);
  EXPECT_FALSE(ran);
}

TEST(WorkerPool, ClosingStopsWhatRunsAndDropsTheRest) {
  std::atomic<int> finished = 0;
  {
    WorkerPool pool(2, [] {});
    std::latch begun(2);
    for (int i = 0; i < 2; ++i) {
      pool.submit<int>(1, [&](const std::stop_token& stop) {
        begun.count_down();
        while (!stop.stop_requested()) std::this_thread::yield();
        return ++finished;
      });
    }
    for (int i = 0; i < 50; ++i) {
      pool.submit<int>(1, [&](const std::stop_token&) { return finished += 100; });
    }
    begun.wait();
  }
  EXPECT_EQ(finished, 2);
}

}  // namespace
}  // namespace convoy::sim
