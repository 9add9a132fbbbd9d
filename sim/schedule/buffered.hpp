#pragma once

// The asynchronous schedule: a node that ends its task is replaced (turns.hpp); every `buffer`
// updates make a version, in the order of arrival. Aggregations overlap with training and with each
// other. If a node's update goes into a version at the instant of its arrival, the node is replaced
// when that version is there, and the new task starts from it (as in FLSim, where making a version
// takes no time). All other nodes are replaced at once; the new task starts from the present
// version. fedbuff.cpp, fedasync.cpp and teasq.cpp use this class and name the papers.

#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/schedule/client_pool.hpp"

namespace convoy::sim {

struct BufferedOptions {
  ClientPoolOptions clients;
  HowMany at_work;
  std::int64_t buffer = 1;  // updates of an aggregation, >= 1
  // Upper limit, >= 0, of an update's staleness in versions; nothing: no limit.
  std::optional<std::int64_t> max_staleness;
  // Instead of the numbers above: shares of all that take part, present or not, (0, 1], rounded up.
  std::optional<double> at_work_share;
  std::optional<double> buffer_share;
};

// Reads the keys of the client pool, at_work and max_staleness.
BufferedOptions read_buffered(base::TableReader& common, base::TableReader& own,
                              const std::string& default_rule);
// max_staleness alone.
BufferedOptions read_buffered_without_limit(base::TableReader& common, base::TableReader& own,
                                            const std::string& default_rule);

class Buffered : public FederatedSchedule {
 public:
  Buffered(const std::shared_ptr<const Setting>& setting, BufferedOptions options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::optional<double> usual_updates() const override {
    return static_cast<double>(options_.buffer);
  }

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
    NodeId node = no_node;
    std::int64_t base = 0;
  };

  void note(const Event& event);
  void task_ended(const Event& event);
  void take_in(Orders& orders);
  void aggregate(Orders& orders);
  void assign(Orders& orders);
  // The node can be given work again.
  void is_free(NodeId node);

  BufferedOptions options_;
  Turns turns_;
  std::unordered_map<TaskId, Training> training_;
  std::vector<Update> came_in_;  // updates that arrived at this instant
  std::vector<TaskId> buffer_;
  std::vector<NodeId> just_buffered_;  // whose updates came into the buffer at this instant
  std::unordered_map<TaskId, std::vector<NodeId>> wait_for_;  // by aggregation under way
  std::int64_t version_ = 0;
};

}  // namespace convoy::sim
