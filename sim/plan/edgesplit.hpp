#pragma once

// Plans parallel split learning (EdgeSplit, arXiv 2403.15815): after which layer each device's
// model is cut, which part of a shared bandwidth it gets and, as an option, which part of the
// server. Only the paper's abstract is public, so the formulation is ours. A device's round takes
//
//   T_i = device_s + messages * latency_s + server_s / share_i + bytes / bandwidth_i
//
// and the plan makes the longest of them as short as possible, where the bandwidths sum to at most
// B, the shares to at most 1, no device gets more bandwidth than its own link has, each device's
// part fits its memory, and the server's parts together fit the server's.
//
//   const SplitPlan plan = plan_split(problem);
//   const SplitPlan mine = plan_split(problem, {3, std::nullopt, 7});  // hand-made, for two of
//   three

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convoy::sim {

// What one cut of a device's model costs in a round.
struct Cut {
  std::string name;         // for messages; may be empty
  double device_s = 0;      // s on the device: steps * (forward + backward), and what is fixed
  double server_s = 0;      // s at the server, if this device had all of it
  double bytes = 0;         // both directions: activations, gradients, 2 * the device's weights
  double bytes_up = 0;      // of these, to the server; for estimates with guaranteed shares
  double messages = 0;      // each of them waits for the latency of the device's link
  double device_bytes = 0;  // memory that the device's part needs
  double server_bytes = 0;  // memory that the server's part needs
  double weight_bytes = 0;  // of the device's part; plan_split() does not read it, replan() does
};

struct SplitDevice {
  std::string name;
  double memory_bytes = std::numeric_limits<double>::infinity();
  double link_bytes_per_s = std::numeric_limits<double>::infinity();  // of its own link; above 0
  double latency_s = 0;                                               // of one message
  std::vector<Cut> cuts;                                              // at least one
};

// The figures of a cut are at least 0 and finite.
struct SplitProblem {
  std::vector<SplitDevice> devices;  // at least one
  double bandwidth_bytes_per_s = 0;  // B, above 0 and finite
  // Whether the devices share the server's compute. If not, each one's work there takes server_s.
  bool server_is_shared = false;
  // Shares are guarantees, of which others take what a device leaves: times are estimates, and
  // is_optimal is false (guarantees.hpp).
  bool shares_are_guaranteed = false;
  double server_memory_bytes = std::numeric_limits<double>::infinity();
};

// Cuts chosen by hand, by device; nothing: the planner chooses.
using HandMadeCuts = std::vector<std::optional<std::size_t>>;

struct SplitPlan {
  std::vector<std::size_t> cuts;              // by device: index in its `cuts`
  std::vector<double> bandwidth_bytes_per_s;  // sum at most B within 1e-12 of it
  std::vector<double> server_shares;          // sum at most 1; 1 each if the server is not shared
  std::vector<double> times_s;                // predicted
  double round_s = 0;                         // the longest
  // By how much the round would shorten (s) if this device computed one second less; sum 1. The
  // bottleneck is the device with the largest value, the first of equal ones.
  std::vector<double> sensitivity;
  std::size_t bottleneck = 0;
  // No plan is faster than this. Within 1e-9 of round_s if `is_optimal`; else the search for cuts
  // ended at its limit.
  double lower_bound_s = 0;
  bool is_optimal = false;
  int iterations = 0;  // steps of all alternations, and cuts evaluated by the search
};

// The best plan. With a shared bandwidth alone, and enough memory at the server, it is always
// optimal: T is long enough if and only if the bandwidths that the devices need for T, each with
// its least demanding cut, sum to at most B. With the server's shares or a tight server memory a
// bounded search follows (cut_search.hpp).
//
// Throws base::UserError, naming the devices: for figures out of range; for a device none of whose
// cuts fits its memory, with the cut that exceeds it least; for a hand-made cut that does not fit;
// for a server's memory that no choice of cuts fits, with what to move.
SplitPlan plan_split(const SplitProblem& problem, const HandMadeCuts& by_hand = {});

// The plan with these cuts, one per device, and the best shares. Errors as above.
SplitPlan evaluate_split(const SplitProblem& problem, std::span<const std::size_t> cuts);

}  // namespace convoy::sim
