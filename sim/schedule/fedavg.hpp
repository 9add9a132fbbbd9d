#pragma once

// FedAvg (McMahan et al. 2017, arXiv 1602.05629): rounds. Some or all of the nodes train from the
// same version; when the last has replied, or at the deadline, what came back is aggregated.

#include <optional>
#include <unordered_set>

#include "base/random.hpp"
#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/turns.hpp"

namespace convoy::sim {

struct FedAvgOptions {
  ClientPoolOptions clients;
  HowMany participants;  // of a round
  // s after the round's start; a reply exactly then counts, what comes later is given up.
  std::optional<double> deadline_s;
};

FedAvgOptions read_fedavg(base::TableReader& common, base::TableReader& own);

class FedAvg : public FederatedSchedule {
 public:
  FedAvg(const std::shared_ptr<const Setting>& setting, FedAvgOptions options);

  Orders on(const Event& event) override;

 private:
  void note(const Event& event, Orders& orders);
  void start_round(double now, Orders& orders);
  void close_round(Orders& orders);
  std::vector<NodeId> draw();

  FedAvgOptions options_;
  base::Random random_;
  std::vector<bool> present_;
  std::unordered_set<TaskId> in_flight_;
  std::vector<TaskId> updates_;
  std::int64_t round_ = 0;  // counts the rounds begun; also names the deadline's timer
  bool open_ = false;       // a round is under way
  bool waiting_ = true;     // for a round to begin
};

}  // namespace convoy::sim
