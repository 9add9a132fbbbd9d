#include "analysis/winners_axes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::analysis {
namespace {

std::size_t place_of(const std::vector<std::string>& keys, const std::string& key) {
  return static_cast<std::size_t>(std::ranges::find(keys, key) - keys.begin());
}

std::vector<std::string> keys_but_seed(const SweepResults& sweep) {
  std::vector<std::string> keys = sweep.index.keys;
  std::erase(keys, "seed");
  return keys;
}

void check_axes(const SweepResults& sweep, const SweepResults& first) {
  const std::vector<std::string> keys = keys_but_seed(sweep);
  const std::vector<std::string> others = keys_but_seed(first);
  const auto lacks = [](const std::vector<std::string>& all, const std::string& key) {
    return std::ranges::find(all, key) == all.end();
  };
  std::vector<std::string> different;
  for (const std::string& key : keys) {
    if (lacks(others, key)) different.push_back(key);
  }
  for (const std::string& key : others) {
    if (lacks(keys, key)) different.push_back(key);
  }
  if (different.empty()) return;
  throw base::UserError(
      fmt::format("{} and {}: have different axes: only one of them has {}; ask for the winners of "
                  "each alone",
                  first.folder, sweep.folder, base::list_of(different, "and")));
}

// In the order of the first sweep's keys, without the seed.
ContestGroups groups_of(const std::vector<SweepResults>& sweeps) {
  ContestGroups groups;
  const bool several = sweeps.size() > 1;
  if (several) groups.keys.emplace_back("sweep");
  std::ranges::copy(keys_but_seed(sweeps.front()), std::back_inserter(groups.keys));
  for (const SweepResults& sweep : sweeps) {
    check_axes(sweep, sweeps.front());
    const std::vector<std::string> own = keys_but_seed(sweep);
    for (const SeedGroup& from : without_seeds(sweep.index).groups) {
      ContestGroup& group = groups.all.emplace_back();
      if (several) group.settings.push_back(sweep.folder);
      for (std::size_t k = several ? 1 : 0; k < groups.keys.size(); ++k) {
        group.settings.push_back(from.settings[place_of(own, groups.keys[k])]);
      }
      for (const std::size_t i : from.points) group.points.push_back(&sweep.points[i]);
    }
  }
  return groups;
}

std::size_t count_of(const ContestGroups& groups, const std::vector<std::size_t>& places) {
  std::set<std::vector<std::string>> found;
  for (const ContestGroup& group : groups.all) found.insert(picked(group, places));
  return found.size();
}

std::vector<std::string> varying(const ContestGroups& groups) {
  std::vector<std::string> keys;
  for (std::size_t k = 0; k < groups.keys.size(); ++k) {
    if (groups.keys[k] != "sweep" && count_of(groups, {k}) > 1) keys.push_back(groups.keys[k]);
  }
  std::ranges::stable_partition(keys, [](const auto& key) { return key == "schedule.kind"; });
  return keys;
}

// --- the contest --------------------------------------------------------------------------------

std::string key_called(const std::string& name, const std::vector<std::string>& keys) {
  const auto same = std::ranges::find(keys, name);
  if (same != keys.end()) return *same;
  std::vector<std::string> found;
  std::vector<std::string> known;
  for (const std::string& key : keys) {
    if (!name.empty() && key.ends_with("." + name)) found.push_back(key);
    known.push_back(key);
    known.push_back(short_key(key, keys));
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    throw base::UserError(fmt::format("--winners {}: {} axes are called so: {}; give the whole key",
                                      name, found.size(), base::list_of(found, "and")));
  }
  if (name == "seed") {
    throw base::UserError(
        "--winners seed: seeds are no contestants: the means are taken over them");
  }
  throw base::UserError(fmt::format("--winners {}: no axis is called so{}; the axes are {}", name,
                                    base::did_you_mean(name, known), base::list_of(keys, "and")));
}

std::vector<std::string> contest_of(const ContestGroups& groups,
                                    const std::vector<std::string>& names) {
  std::vector<std::string> axes;
  std::ranges::copy_if(groups.keys, std::back_inserter(axes),
                       [](const std::string& key) { return key != "sweep"; });
  const std::vector<std::string> several = varying(groups);
  std::vector<std::string> contest;
  for (const std::string& name : names) {
    std::string key = key_called(name, axes);
    if (place_of(contest, key) == contest.size()) contest.push_back(std::move(key));
  }
  if (!contest.empty()) return contest;
  if (several.empty()) {
    throw base::UserError(
        "--winners: the sweep has one contestant: none of its axes but the seed has several "
        "values");
  }
  if (several.front() != "schedule.kind" && several.size() > 1) {
    throw base::UserError(
        fmt::format("--winners: which axis is the contest? name it, as in `--winners={}`; those "
                    "with several values are {}",
                    short_key(several.front(), axes), base::list_of(several, "and")));
  }
  return {several.front()};
}

// Each contestant has one value of the key, as with axes that are zipped.
bool follows(const ContestGroups& groups, std::vector<std::size_t> contest, std::size_t key) {
  const std::size_t contestants = count_of(groups, contest);
  contest.push_back(key);
  return count_of(groups, contest) == contestants;
}

// Each value of one key goes with one of the other, as with axes that are zipped.
bool change_together(const ContestGroups& groups, std::size_t one, std::size_t other) {
  const std::size_t pairs = count_of(groups, {one, other});
  return pairs == count_of(groups, {one}) && pairs == count_of(groups, {other});
}

}  // namespace

std::vector<std::string> picked(const ContestGroup& group, const std::vector<std::size_t>& places) {
  std::vector<std::string> settings;
  settings.reserve(places.size());
  for (const std::size_t k : places) settings.push_back(group.settings[k]);
  return settings;
}

std::string label_with(const std::vector<std::string>& keys,
                       const std::vector<std::string>& settings,
                       const std::vector<std::string>& all) {
  std::string label;
  for (std::size_t k = 0; k < keys.size(); ++k) {
    label += fmt::format("{}{}={}", k == 0 ? "" : ", ", short_key(keys[k], all), settings[k]);
  }
  return label;
}

std::vector<std::string> contest_axes(const SweepResults& sweep) {
  const std::vector<SweepResults> alone = {sweep};
  return varying(groups_of(alone));
}

Axes axes_of(const std::vector<SweepResults>& sweeps, const std::vector<std::string>& contest) {
  Axes axes{groups_of(sweeps), {}, {}, {}};
  const ContestGroups& groups = axes.groups;
  const std::vector<std::string> keys = contest_of(groups, contest);
  for (const std::string& key : keys) axes.contest.push_back(place_of(groups.keys, key));
  if (count_of(groups, axes.contest) < 2) {
    throw base::UserError(
        fmt::format("--winners {}: one contestant only: {}; those with several values are {}",
                    fmt::join(contest, ","),
                    label_with(keys, picked(groups.all.front(), axes.contest), groups.keys),
                    base::list_of(varying(groups), "and")));
  }
  for (std::size_t k = 0; k < groups.keys.size(); ++k) {
    const bool is_sweep = groups.keys[k] == "sweep";
    const bool in_contest = std::ranges::find(axes.contest, k) != axes.contest.end();
    if (!is_sweep && (in_contest || count_of(groups, {k}) < 2)) continue;
    const bool named = std::ranges::any_of(
        axes.cells, [&](std::size_t cell) { return change_together(groups, cell, k); });
    if (named) continue;
    const bool with_contest = !is_sweep && follows(groups, axes.contest, k);
    (with_contest ? axes.along : axes.cells).push_back(k);
  }
  return axes;
}

}  // namespace convoy::analysis
