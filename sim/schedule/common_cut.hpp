#pragma once

// How schedules that cut the model at one place for all devices explain themselves (`convoy plan`):
// what the cut costs, what is predicted for a round, and the best common cut beside it.
//
// All at the same time: times are estimates, as if each of n devices had 1 / n of the bandwidth and
// of the server and what one leaves the others had (sim/plan/guarantees.hpp). One after another:
// each has its whole link and the whole server, and a round is the sum.

#include <cstddef>
#include <memory>
#include <vector>

#include "sim/schedule/setting.hpp"
#include "sim/schedule/split_explanation.hpp"
#include "sim/schedule/split_work.hpp"

namespace convoy::sim {

struct CommonCut {
  SplitWork work;        // without rates and shares
  bool by_hand = false;  // the cut was given; else it is the kind's own
  bool in_turn = false;  // one device after another
};

// `members`: all nodes that take part, rising; `drawn`: how many of them are in a round, at least
// 1. Of more members those are shown whose parts need the most of the server's memory.
SplitExplanation explain_common_cut(const std::shared_ptr<const Setting>& setting,
                                    const CommonCut& cut, std::vector<NodeId> members,
                                    std::size_t drawn, bool compare);

}  // namespace convoy::sim
