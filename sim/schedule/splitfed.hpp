#pragma once

// SplitFed (Thapa et al. 2020, arXiv 2004.12088; code: github chandra2thapa/SplitFed 45900d8):
// rounds in which each client trains the first layers of the model and the server the rest, all
// clients at the same time (split_update.hpp).
//
// v1: the server has a part for each client, and at the end of a round both parts are averaged over
// the clients. Faithful: that. Ours: the mean is weighted by samples (theirs is not; the same for
// equal clients); each client's server part keeps its optimizer for the task (theirs is made anew
// for each batch), and batch norms' statistics are averaged as by the rule.
//
// v2: the server has one part, which the batches of all clients step in turn; only the clients'
// parts are averaged. Faithful: that. Ours: batches step it in the order in which the server has
// computed them in virtual time (theirs take turns of a whole epoch, in random order), and it keeps
// its optimizer for the round. What a client's batches have done to it stays, also if the client is
// lost later in the round; if nobody answers, the next round begins with a new one (groups.hpp).
//
// v3 (Gawali et al. 2021, arXiv 2012.12591): as v1, but the clients' parts are never averaged: each
// client has its own, from round to round. Ours: all begin with the same initial layers, which come
// with a client's first task; a task that comes to nothing leaves the client's layers as they were.

#include <vector>

#include "sim/schedule/common_cut.hpp"
#include "sim/schedule/rounds.hpp"
#include "sim/schedule/split_keys.hpp"

namespace convoy::sim {

struct SplitFedOptions : RoundsOptions {
  enum class Version { v1, v2, v3 };
  static constexpr base::Words<Version> versions = {
      {Version::v1, "v1"}, {Version::v2, "v2"}, {Version::v3, "v3"}};
  Version version = Version::v1;
  SplitKeys split;
};

SplitFedOptions read_splitfed(base::TableReader& common, base::TableReader& own);

class SplitFed : public Rounds {
 public:
  // Throws base::UserError where the model cannot be cut so, or no device holds its part.
  SplitFed(const std::shared_ptr<const Setting>& setting, const SplitFedOptions& options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::optional<Explanation> explain(bool compare) const override;

 protected:
  void add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) override;
  Assign aggregation_of(std::int64_t round, std::vector<TaskId> updates) override;

 private:
  [[nodiscard]] bool is_shared() const { return version_ == SplitFedOptions::Version::v2; }

  std::shared_ptr<const Setting> setting_;
  CommonCut cut_;
  SplitFedOptions::Version version_;
  // v2: the number of the server's part. After a round of which nobody has answered it is the same,
  // and the part begins anew.
  std::int64_t group_ = 0;
  TaskId taking_ = no_task;      // the task that takes what it has learned
  std::vector<TaskId> updates_;  // of the clients, that are aggregated with it
};

}  // namespace convoy::sim
