#pragma once

// FedProx (Li et al. 2018, arXiv 1812.06127; code: github litian96/FedProx d2a4501): rounds in
// which every step is pulled towards what was received, w -= lr (g + mu (w - received)), and in
// which a share of the clients, the stragglers, trains fewer epochs: a uniform integer in [1, E) of
// the E that training.local_epochs says. "keep" is their FedProx: what a straggler did counts like
// any other's. "drop" is the FedAvg of their repository: a straggler is not asked at all. Faithful:
// participants uniformly, stragglers uniformly among them, n - round(n (1 - share)) of them, drawn
// from the round's number and the run's seed alone, so that kept and dropped ones are the same;
// mean weighted by samples. Ours: at least one client of a round is no straggler; a straggler's
// time follows from its epochs, where theirs has no clock.

#include "sim/schedule/rounds.hpp"

namespace convoy::sim {

struct FedProxOptions : RoundsOptions {
  double mu = 0.01;       // >= 0
  double stragglers = 0;  // share of a round's clients, [0, 1)
  bool keep = true;       // what stragglers did; else they are not asked
};

FedProxOptions read_fedprox(base::TableReader& common, base::TableReader& own);

class FedProx : public Rounds {
 public:
  // Throws base::UserError where stragglers have no fewer epochs to train, and where
  // training.proximal says another mu.
  FedProx(const std::shared_ptr<const Setting>& setting, const FedProxOptions& options);

 protected:
  std::vector<Assign> tasks_of(std::int64_t round, const std::vector<NodeId>& nodes) override;

 private:
  std::uint64_t seed_;
  int epochs_;
  double stragglers_;
  bool keep_;
};

}  // namespace convoy::sim
