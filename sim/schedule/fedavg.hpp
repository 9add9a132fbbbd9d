#pragma once

// FedAvg (McMahan et al. 2017, arXiv 1602.05629) in rounds: some or all nodes train from the same
// version; the server aggregates when the last update is in, or at the deadline.

#include <optional>
#include <unordered_set>

#include "base/random.hpp"
#include "sim/schedule/client_pool.hpp"

namespace convoy::sim {

struct FedAvgOptions {
  ClientPoolOptions clients;
  // Nodes per round: a number, or a share in (0, 1) of the nodes present.
  std::optional<std::int64_t> participants;
  std::optional<double> participant_share;
  // s after the round's start; a reply exactly at the deadline counts, later tasks are cancelled.
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
  std::int64_t round_ = 0;  // number of rounds begun; also the number of the deadline's timer
  bool open_ = false;       // a round is under way
  bool waiting_ = true;     // for the next round to begin
};

}  // namespace convoy::sim
