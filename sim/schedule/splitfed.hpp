#pragma once

// SplitFed (Thapa et al. 2020, arXiv 2004.12088; code: github chandra2thapa/SplitFed 45900d8):
// rounds in which each client trains the first layers of the model and the server the rest, all
// clients at the same time (split_update.hpp).
//
// v1: the server has a part for each client, and at the end of a round both parts are averaged over
// the clients. Faithful: that. Ours: the mean is weighted by samples (theirs is not; the same for
// equal clients); each client's server part keeps its optimizer for the task (theirs is made anew
// for each batch), and batch norms' statistics are averaged as by the rule.

#include "sim/schedule/rounds.hpp"
#include "sim/schedule/split_keys.hpp"

namespace convoy::sim {

struct SplitFedOptions : RoundsOptions {
  enum class Version { v1 };
  static constexpr base::Words<Version> versions = {{Version::v1, "v1"}};
  Version version = Version::v1;
  SplitKeys split;
};

SplitFedOptions read_splitfed(base::TableReader& common, base::TableReader& own);

class SplitFed : public Rounds {
 public:
  // Throws base::UserError where the model cannot be cut so, or no device holds its part.
  SplitFed(const std::shared_ptr<const Setting>& setting, const SplitFedOptions& options);
};

}  // namespace convoy::sim
