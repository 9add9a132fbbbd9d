#include "analysis/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <set>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "base/value.hpp"

namespace convoy::analysis {
namespace {

bool is_whole(const RunSummary& run) { return run.run.status == sim::RunStatus::done; }

// The scenario without name and seed.
std::string setting_of(const RunSummary& run) {
  if (!is_whole(run)) return run.folder;  // unfinished: a group of its own
  base::Diagnostics ignored;              // no new errors: it was read before
  base::Value scenario = base::parse_toml(run.run.run.scenario, run.folder, ignored);
  scenario.erase("seed");
  scenario.erase("name");
  return run.run.run.schedule + "\n" + base::to_toml(scenario);
}

const std::string& shown(const RunSummary& run) {
  return run.label.empty() ? run.folder : run.label;
}

// The common beginning of the runs' labels, or the first label.
std::string label_of(const std::vector<const RunSummary*>& group) {
  std::string common = shown(*group.front());
  if (!is_whole(*group.front())) {
    return fmt::format("{} ({})", common, sim::name_of(group.front()->run.status));
  }
  if (group.size() == 1) return common;
  for (const RunSummary* run : group) {
    const auto end =
        std::mismatch(common.begin(), common.end(), shown(*run).begin(), shown(*run).end());
    common.erase(end.first, common.end());
  }
  return fmt::format("{}* ({})", common, group.front()->run.run.schedule);
}

// Of the finished runs, if any.
double shortest_run(const std::vector<RunSummary>& runs) {
  const bool some = std::any_of(runs.begin(), runs.end(), is_whole);
  std::optional<double> shortest;
  for (const RunSummary& run : runs) {
    if (some && !is_whole(run)) continue;
    shortest = std::min(shortest.value_or(run.figures.virtual_time_s), run.figures.virtual_time_s);
  }
  return shortest.value_or(0);
}

std::vector<std::string> labels_of(const std::vector<RunSummary>& runs) {
  std::map<std::string, std::vector<const RunSummary*>> groups;
  std::vector<std::string> settings;
  for (const RunSummary& run : runs) {
    settings.push_back(setting_of(run));
    groups[settings.back()].push_back(&run);
  }
  // Groups with equal labels get the names of their first runs added.
  std::map<std::string, int> uses;
  std::map<std::string, std::string> labels;
  for (const auto& [setting, group] : groups) ++uses[labels[setting] = label_of(group)];
  for (auto& [setting, label] : labels) {
    const auto& group = groups[setting];
    if (uses[label] > 1 && group.size() > 1) {
      label = fmt::format("{} and {} more", shown(*group.front()), group.size() - 1);
    }
  }
  // What is still called alike gets its folder added.
  std::map<std::string, int> named;
  for (const auto& [setting, label] : labels) ++named[label];
  std::vector<std::string> all;
  for (const std::string& setting : settings) {
    const std::string& label = labels[setting];
    all.push_back(named[label] > 1 ? fmt::format("{} ({})", label, groups[setting].front()->folder)
                                   : label);
  }
  return all;
}

std::string label_of(const SweepResults& sweep, const std::vector<std::string>& settings) {
  const auto& keys = sweep.index.keys;
  std::string label;
  std::size_t next = 0;
  for (const std::string& key : keys) {
    if (key == "seed") continue;
    label += fmt::format("{}{}={}", next == 0 ? "" : ", ", short_key(key, keys), settings[next]);
    ++next;
  }
  return label.empty() ? sweep.index.scenario : label;
}

// The schedule's kind, if it is an axis; else "".
std::string schedule_of(const SweepResults& sweep, std::size_t point) {
  const auto& keys = sweep.index.keys;
  const auto at = std::find(keys.begin(), keys.end(), "schedule.kind");
  if (at == keys.end()) return "";
  return sweep.index.points[point].settings[static_cast<std::size_t>(at - keys.begin())];
}

std::optional<double> mean_of(const std::vector<std::optional<double>>& values) {
  double sum = 0;
  std::size_t count = 0;
  for (const auto& value : values) {
    if (!value) continue;
    sum += *value;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

// A group's runs by seed; empty if a seed occurs twice.
std::map<std::string, std::size_t> by_seed(const std::vector<std::string>& seeds) {
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    if (!places.try_emplace(seeds[i], i).second) return {};
  }
  return places;
}

void pair_up(const ComparedGroup& group, const ComparedGroup& base, const GroupValues& baseline,
             GroupValues& compared) {
  const auto others = by_seed(base.seeds);
  if (by_seed(group.seeds).empty()) return;
  for (std::size_t i = 0; i < group.seeds.size(); ++i) {
    const auto other = others.find(group.seeds[i]);
    if (other == others.end()) continue;
    const auto& mine = compared.values[i];
    const auto& theirs = baseline.values[other->second];
    if (!mine || !theirs) continue;
    compared.seeds.push_back(group.seeds[i]);
    compared.differences.push_back(*mine - *theirs);
  }
  if (!compared.differences.empty()) compared.paired = mean_interval(compared.differences);
}

std::optional<double> value_of(const Case& one, const Metric& metric) {
  const auto found = one.values.find(metric.id());
  return found == one.values.end() ? std::nullopt : std::optional(found->second);
}

// Adds the costs until the levels; takes up those metrics of which some case has a value.
void set_levels(Cases& cases, std::vector<Metric> metrics, std::vector<Level> levels) {
  for (const Level& level : levels) {
    for (Case& one : cases.all) add_values_to(level, one.curve, one.values);
    std::ranges::move(metrics_to(level), std::back_inserter(metrics));
  }
  for (Metric& metric : metrics) {
    const auto has = [&metric](const Case& one) { return one.values.contains(metric.id()); };
    if (std::ranges::any_of(cases.all, has)) cases.metrics.push_back(std::move(metric));
  }
  cases.levels = std::move(levels);
}

std::size_t find_baseline(const Cases& cases, const std::vector<ComparedGroup>& groups,
                          const std::string& wanted) {
  if (wanted.empty()) return 0;
  const auto group_of = [&groups](const Case& one) {
    return static_cast<std::size_t>(std::ranges::find(groups, one.group, &ComparedGroup::label) -
                                    groups.begin());
  };
  // From exact matches to hints.
  const std::vector<std::function<bool(const Case&)>> ways = {
      [&](const Case& one) { return one.group == wanted; },
      [&](const Case& one) { return one.run == wanted || one.run + "/" == wanted; },
      [&](const Case& one) { return one.schedule == wanted; },
      [&](const Case& one) { return one.group.find(wanted) != std::string::npos; }};
  std::vector<std::string> labels;
  labels.reserve(groups.size());
  for (const ComparedGroup& group : groups) labels.push_back(group.label);
  for (const auto& fits : ways) {
    std::set<std::size_t> found;
    for (const Case& one : cases.all) {
      if (fits(one)) found.insert(group_of(one));
    }
    if (found.size() == 1) return *found.begin();
    if (found.size() > 1) {
      throw base::UserError(fmt::format("--baseline {}: {} groups are called so; the groups are {}",
                                        wanted, found.size(), base::list_of(labels, "and")));
    }
  }
  std::vector<std::string> known = labels;
  for (const Case& one : cases.all) known.insert(known.end(), {one.run, one.schedule});
  throw base::UserError(fmt::format("--baseline {}: no group is called so{}; the groups are {}",
                                    wanted, base::did_you_mean(wanted, known),
                                    base::list_of(labels, "and")));
}

}  // namespace

Cases cases_of(const std::vector<RunSummary>& runs, const std::vector<double>& targets) {
  std::vector<Aim> aims;
  aims.reserve(runs.size());
  for (const RunSummary& run : runs) aims.push_back({run.target, run.figures.accuracy_best});
  const double shortest = shortest_run(runs);
  const std::string until = base::human_seconds(shortest);
  std::vector<Metric> metrics = run_metrics();
  metrics.push_back({"accuracy_at_s", "accuracy at " + until, Unit::share, Better::more, false});
  metrics.push_back(
      {"accuracy_area_common", "mean accuracy to " + until, Unit::share, Better::more, false});
  Cases cases;
  const std::vector<std::string> labels = labels_of(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunSummary& run = runs[i];
    Case one{labels[i],
             run.folder,
             run.run.run.schedule,
             std::to_string(run.run.run.seed),
             values_of(run.figures),
             run.curve,
             run.learned_as};
    if (const auto at = accuracy_at(run.curve, shortest)) one.values["accuracy_at_s"] = *at;
    if (const auto area = accuracy_area(run.curve, shortest)) {
      one.values["accuracy_area_common"] = *area;
    }
    cases.all.push_back(std::move(one));
  }
  set_levels(cases, std::move(metrics), common_levels(targets, aims));
  return cases;
}

Cases cases_of(std::vector<SweepResults> sweeps, const std::vector<double>& targets) {
  Cases all;
  const std::vector<Level> levels = set_levels(sweeps, targets);
  for (const SweepResults& sweep : sweeps) {
    for (const SeedGroup& group : without_seeds(sweep.index).groups) {
      const std::string label =
          (sweeps.size() > 1 ? sweep.folder + ": " : "") + label_of(sweep, group.settings);
      for (const std::size_t i : group.points) {
        const SweepPoint& point = sweep.points[i];
        if (point.status != PointStatus::done) continue;
        all.all.push_back({label, sweep.folder + "/points/" + sweep.index.points[i].hash,
                           schedule_of(sweep, i), point.seed, point.values, point.curve,
                           point.learned_as});
      }
    }
  }
  set_levels(all, run_metrics(), levels);
  return all;
}

void name_groups(Cases& cases, const std::vector<std::string>& labels) {
  if (labels.empty()) return;
  std::vector<std::string> groups;
  for (const Case& one : cases.all) {
    if (std::ranges::find(groups, one.group) == groups.end()) groups.push_back(one.group);
  }
  if (groups.size() != labels.size()) {
    throw base::UserError(fmt::format("--label: {} name{} for {} group{}, which are {}",
                                      labels.size(), labels.size() == 1 ? "" : "s", groups.size(),
                                      groups.size() == 1 ? "" : "s", base::list_of(groups, "and")));
  }
  for (Case& one : cases.all) {
    const auto at = std::ranges::find(groups, one.group) - groups.begin();
    one.group = labels[static_cast<std::size_t>(at)];
  }
}

bool Comparison::has_several_seeds() const {
  return std::ranges::any_of(groups, [](const auto& group) { return group.runs.size() > 1; });
}

Comparison compare(const Cases& cases, const std::string& baseline) {
  Comparison c;
  std::map<std::string, std::size_t> places;
  std::vector<std::size_t> group_of;
  for (const Case& one : cases.all) {
    const auto [at, is_new] = places.try_emplace(one.group, c.groups.size());
    if (is_new) c.groups.push_back({one.group, {}, {}});
    c.groups[at->second].runs.push_back(one.run);
    c.groups[at->second].seeds.push_back(one.seed);
    if (!one.learned_as.empty()) c.groups[at->second].learned_as = one.learned_as;
    group_of.push_back(at->second);
  }
  c.baseline = find_baseline(cases, c.groups, baseline);
  c.runs = cases.all.size();
  std::vector<std::string> learned;
  for (const Case& one : cases.all) learned.push_back(one.learned_as);
  c.notes = notes_on_learning(learned);
  for (const Level& level : cases.levels) {
    const auto reaches = [&level](const Case& one) {
      return first_at(one.curve, level.accuracy) != nullptr;
    };
    c.levels.push_back(
        {level, static_cast<std::size_t>(std::ranges::count_if(cases.all, reaches))});
  }
  for (const Metric& metric : cases.metrics) {
    ComparedMetric compared{metric, std::vector<GroupValues>(c.groups.size())};
    for (std::size_t i = 0; i < cases.all.size(); ++i) {
      compared.groups[group_of[i]].values.push_back(value_of(cases.all[i], metric));
    }
    for (GroupValues& group : compared.groups) group.mean = mean_of(group.values);
    const GroupValues& base = compared.groups[c.baseline];
    for (std::size_t g = 0; g < compared.groups.size(); ++g) {
      GroupValues& group = compared.groups[g];
      if (group.mean && base.mean && *base.mean != 0) group.ratio = *group.mean / *base.mean;
      if (g != c.baseline) pair_up(c.groups[g], c.groups[c.baseline], base, group);
    }
    c.metrics.push_back(std::move(compared));
  }
  return c;
}

}  // namespace convoy::analysis
