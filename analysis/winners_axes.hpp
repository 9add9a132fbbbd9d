#pragma once

// Which axes of a sweep are the contest, which make cells. Internal to winners.cpp.

#include <string>
#include <vector>

#include "analysis/winners.hpp"

namespace convoy::analysis {

// Points that differ in their seed only, of any of the sweeps.
struct ContestGroup {
  std::vector<std::string> settings;
  std::vector<const SweepPoint*> points;  // of the sweeps given
};
struct ContestGroups {
  std::vector<std::string> keys;  // without the seed; of several sweeps "sweep" first
  std::vector<ContestGroup> all;
};

// The group's settings of these keys.
std::vector<std::string> picked(const ContestGroup& group, const std::vector<std::size_t>& places);
// "kind=fedavg, batch=8"; `all`: the keys from which the short names must tell them.
std::string label_with(const std::vector<std::string>& keys,
                       const std::vector<std::string>& settings,
                       const std::vector<std::string>& all);

struct Axes {
  ContestGroups groups;
  std::vector<std::size_t> contest;  // places in groups.keys
  std::vector<std::size_t> along;    // each contestant has one value of these, as if zipped
  std::vector<std::size_t> cells;    // of keys that always change together the first
};

// Keys with one value are in none of the three. Throws base::UserError as winners_of() does.
Axes axes_of(const std::vector<SweepResults>& sweeps, const std::vector<std::string>& contest);

}  // namespace convoy::analysis
