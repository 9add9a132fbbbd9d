#pragma once

// Plans where shares of the bandwidth and of the server are guarantees: what one device leaves the
// others have. Ours.
//
// A device's round then takes at most what edgesplit.hpp says, and how much less depends on what
// the others do meanwhile. So times are estimates, of a round as if it went on for ever. In each
// direction a device with the share b of a capacity B sends at
//
//   max(b, min(link, max(B - sum_j bytes_j / T_j,  B / (1 + sum_j q_j b_j / b))))
//
// over the others j, where T is their round and q the part of it in which they send in that
// direction: what they leave on average (their links limit them), or a part in proportion to the
// guarantees of those that are likely to send (the network limits them). The server's compute is
// divided likewise, with a link of 1. Fixed point, by iteration.
//
// The guarantees are the best shares of the cuts (shares.hpp). Cuts are searched with the
// estimate: from the plan with limits, from every common cut and from each device's own fastest
// one, kind by kind of device, until no kind's cut makes the round shorter. So no common cut is
// estimated to be faster; a bound says only that no device is faster alone.

#include <span>
#include <vector>

#include "sim/plan/edgesplit.hpp"

namespace convoy::sim {

// Estimated times of devices with these cuts and guarantees (bytes/s; of the server, 1 where it is
// not shared), in s. Each is at most the time with the guarantees as limits.
std::vector<double> estimate_guaranteed(const SplitProblem& problem,
                                        std::span<const std::size_t> cuts,
                                        std::span<const double> bandwidth_bytes_per_s,
                                        std::span<const double> server_shares);

// As plan_split(), which calls it where SplitProblem::shares_are_guaranteed. `limits`: the plan
// with the shares as limits.
SplitPlan plan_guaranteed(const SplitProblem& problem, const HandMadeCuts& by_hand,
                          const SplitPlan& limits);

}  // namespace convoy::sim
