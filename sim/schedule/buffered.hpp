#pragma once

// The asynchronous schedule: a node that ends its task is replaced at once (turns.hpp); every
// `buffer` updates make a version, in the order of arrival. Aggregations overlap with training and
// with each other; a task starts from the present version. fedbuff.cpp and fedasync.cpp use it and
// name the papers.

#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/turns.hpp"

namespace convoy::sim {

struct BufferedOptions {
  ClientPoolOptions clients;
  HowMany at_work;
  std::int64_t buffer = 1;  // updates of an aggregation, >= 1
  // Upper limit, >= 0, of an update's staleness in versions; nothing: no limit.
  std::optional<std::int64_t> max_staleness;
};

// Reads the keys of the client pool, at_work and max_staleness.
BufferedOptions read_buffered(base::TableReader& common, base::TableReader& own,
                              const std::string& default_rule);

class Buffered : public FederatedSchedule {
 public:
  Buffered(const std::shared_ptr<const Setting>& setting, BufferedOptions options);

  Orders on(const Event& event) override;

 protected:
  [[nodiscard]] std::size_t most_updates() const override {
    return static_cast<std::size_t>(options_.buffer);
  }

 private:
  struct Training {
    NodeId node = no_node;
    std::int64_t base = 0;  // version that it started from
  };
  struct Update {
    TaskId task = no_task;
    std::int64_t base = 0;
  };

  void note(const Event& event);
  void task_ended(const Event& event);
  void take_in(Orders& orders);
  void aggregate(Orders& orders);

  BufferedOptions options_;
  Turns turns_;
  std::unordered_map<TaskId, Training> training_;
  std::vector<Update> came_in_;  // updates that arrived at this instant
  std::vector<TaskId> buffer_;
  std::int64_t version_ = 0;
  std::int64_t being_made_ = 0;  // versions in the making: aggregations under way
};

}  // namespace convoy::sim
