#pragma once

// The asynchronous schedule: whoever ends is replaced at once (turns.hpp), and every `buffer`
// updates, in the order in which they came, are made a version. Aggregations overlap with training
// and with each other; a task begins from the version that is there. What fedbuff.cpp and
// fedasync.cpp say of the papers is done here.

#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/schedule/client_pool.hpp"

namespace convoy::sim {

struct BufferedOptions {
  ClientPoolOptions clients;
  HowMany at_work;
  std::int64_t buffer = 1;  // updates of an aggregation, >= 1
  // Versions, >= 0, that an update may be behind the one that it would be applied to; none: any.
  std::optional<std::int64_t> max_staleness;
};

// at_work and max_staleness; the rest is the kind's own.
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
  [[nodiscard]] std::size_t most_behind() const override {
    return options_.max_staleness ? static_cast<std::size_t>(*options_.max_staleness)
                                  : FederatedSchedule::most_behind();
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
  std::vector<Update> came_in_;  // at this instant
  std::vector<TaskId> buffer_;
  std::int64_t version_ = 0;
  std::int64_t being_made_ = 0;  // versions: aggregations under way
};

}  // namespace convoy::sim
