#pragma once

// Plans a hybrid pipeline over unequal devices under their memory limits, as Asteroid does (arXiv
// 2408.08015; the rules: several independent re-implementations agree). The devices stand in an
// order; stages take devices that follow each other in it. Dynamic programming over the LAST l
// layers on the LAST n devices in p stages: a head stage (its micro-batch shared by allocate()) in
// front of the best for what is left, each candidate judged by the closed form of its whole list of
// steps. Ours:
//  - A state keeps up to `kept` candidates, none of which is worse than another in all that counts
//    for what is put in front of it; the published planner keeps the fastest one (kept = 1).
//  - Devices may be left out where that is faster (`may_leave_out`): between groups, and, in fleets
//    of up to 32, the slowest kinds of a group. Groups then have at most 8 devices, or as many as a
//    micro-batch has samples.
//  - In fleets of more than `every_size` devices groups of 16 and more have sizes in steps: of 2 up
//    to 32 devices, of 4 up to 64, and so on. Measured on 40 random cases of 24 devices: rounds up
//    to .04 % longer, .001 % on average. Where links differ, a device without work then counts for
//    its group's links, and candidates are not kept for the link to their first group.
//  - Orders other than by memory are tried (DeviceOrder::search).
//
//   PipelinePlan plan = plan_asteroid(problem, {.order = DeviceOrder::search});
//
// O(L^2 N^2 P) stages are looked at, of L layers, N devices and P stages; O(L^2 N P log N) in
// fleets of more than `every_size`.

#include <cstdint>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

enum class DeviceOrder : std::uint8_t {
  memory,  // most memory first; equal ones as given (Asteroid)
  given,   // as in the problem
  search,  // ours: several orders, improved by exchanging devices; never worse than `memory`
};

struct AsteroidOptions {
  DeviceOrder order = DeviceOrder::memory;
  WindowPolicy window = WindowPolicy::doubled;
  // A device may stay idle. Without this one has no work only where its group's micro-batch is
  // shared without it.
  bool may_leave_out = true;
  int most_stages = std::numeric_limits<int>::max();  // at least 1
  int kept = 8;                                       // at least 1
  int every_size = 32;  // devices of a fleet of which groups of every size are looked at
  // Of a search: how many orders are planned at most. Large fleets get fewer: the time of a search
  // grows with this times L^2 N^2 P, and is held to about that of 4 plans for 100 devices.
  int most_orders = 120;

  // The published planner.
  static AsteroidOptions as_published() { return {.may_leave_out = false, .kept = 1}; }
};

// The plan with the shortest round by forecast_round() that fits the memories. Its micro-batches
// are the problem's. Throws base::UserError where no plan was found that fits, with what is too
// large.
PipelinePlan plan_asteroid(const PipelineProblem& problem, const AsteroidOptions& options);

// The same for one order: `order` has different devices of the problem, perhaps not all.
PipelinePlan plan_asteroid_in_order(const PipelineProblem& problem, const std::vector<int>& order,
                                    const AsteroidOptions& options);

}  // namespace convoy::sim
