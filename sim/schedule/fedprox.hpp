#pragma once

// FedProx (Li et al. 2018, arXiv 1812.06127; code: github litian96/FedProx d2a4501): rounds with a
// proximal term, w -= lr (g + mu (w - received)), and with stragglers: a share of the clients
// trains fewer epochs, a uniform integer in [1, E) of E = training.local_epochs. "keep" is their
// FedProx: a straggler's update counts like any other. "drop" is the FedAvg of their repository: a
// straggler gets no task. Faithful: participants are drawn uniformly, and among them n - round(n (1
// - share)) stragglers, by the round's number and the run's seed alone, so that "keep" and "drop"
// have the same stragglers; the mean is weighted by samples. Ours: at least one client of a round
// is no straggler; a straggler's time follows from its epochs (their code has no clock).

#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

struct FedProxOptions : RoundsOptions {
  double mu = 0.01;       // >= 0
  double stragglers = 0;  // share of a round's clients, [0, 1)
  bool keep = true;       // stragglers' updates count; else stragglers get no task
};

FedProxOptions read_fedprox(base::TableReader& common, base::TableReader& own);

class FedProx : public Rounds {
 public:
  // Throws base::UserError if stragglers cannot train fewer epochs, or if training.proximal has
  // another value than mu.
  FedProx(const std::shared_ptr<const Setting>& setting, const FedProxOptions& options);

 protected:
  void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) override;

 private:
  std::uint64_t seed_;
  int epochs_;
  double stragglers_;
  bool keep_;
};

}  // namespace convoy::sim
