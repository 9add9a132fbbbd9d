#pragma once

// A split problem, checked, as the planner works on it: for each device the cuts that fit it.

#include <cstddef>
#include <span>
#include <vector>

#include "sim/plan/edgesplit.hpp"
#include "sim/plan/shares.hpp"

namespace convoy::sim {

struct SplitOption {
  std::size_t cut = 0;  // index in SplitDevice::cuts
  Demand demand;
  double server_bytes = 0;

  bool operator==(const SplitOption&) const = default;
};

struct SplitOptions {
  std::vector<std::vector<SplitOption>> devices;
  double bandwidth = 0;  // bytes/s
  bool server_is_shared = false;
  double server_bytes = 0;  // memory
};

// The cut of a device as the shares see it.
Demand demand_of(const SplitProblem& problem, std::size_t device, std::size_t cut);

// Throws base::UserError where a figure is out of range, naming device and cut.
void require_valid(const SplitProblem& problem);

// The cuts that fit each device's memory; the chosen one alone where a cut is chosen by hand.
// Errors as plan_split().
SplitOptions options_of(const SplitProblem& problem, const HandMadeCuts& by_hand);

// "cut 3 (after layer2)"
std::string cut_name(const SplitDevice& device, std::size_t cut);

// A choice: for each device the index of one of its options.
using Choice = std::vector<std::size_t>;

std::vector<Demand> demands_of(const SplitOptions& options, const Choice& choice);
double server_bytes_of(const SplitOptions& options, const Choice& choice);
// Of the choice's server parts, within rounding.
bool fits_server(const SplitOptions& options, const Choice& choice);

}  // namespace convoy::sim
