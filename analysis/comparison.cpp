#include "analysis/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
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

// The common beginning of the runs' labels, or the first label.
std::string label_of(const std::vector<const RunSummary*>& group) {
  std::string common = group.front()->folder;
  if (!is_whole(*group.front())) {
    return fmt::format("{} ({})", common, sim::name_of(group.front()->run.status));
  }
  if (group.size() == 1) return common;
  for (const RunSummary* run : group) {
    const auto end =
        std::mismatch(common.begin(), common.end(), run->folder.begin(), run->folder.end());
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
  std::vector<std::string> all;
  for (const std::string& setting : settings) {
    const std::string& label = labels[setting];
    const std::string& first = groups[setting].front()->folder;
    all.push_back(uses[label] > 1 ? fmt::format("{} and {} more", first, groups[setting].size() - 1)
                                  : label);
  }
  return all;
}

// "schedule.kind" -> "kind": as few last parts of a dotted key as tell it from the others.
std::string short_key(const std::string& key, const std::vector<std::string>& keys) {
  for (std::size_t dot = key.rfind('.'); dot != std::string::npos && dot > 0;
       dot = key.rfind('.', dot - 1)) {
    const std::string end = key.substr(dot);
    const auto ends_so = [&](const std::string& other) { return other.ends_with(end); };
    if (std::count_if(keys.begin(), keys.end(), ends_so) == 1) return end.substr(1);
  }
  return key;
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

void pair_up(const ComparedGroup& group, const ComparedGroup& base, const GroupFigure& baseline,
             GroupFigure& figure) {
  const auto others = by_seed(base.seeds);
  if (by_seed(group.seeds).empty()) return;
  for (std::size_t i = 0; i < group.seeds.size(); ++i) {
    const auto other = others.find(group.seeds[i]);
    if (other == others.end()) continue;
    const auto& mine = figure.values[i];
    const auto& theirs = baseline.values[other->second];
    if (!mine || !theirs) continue;
    figure.seeds.push_back(group.seeds[i]);
    figure.differences.push_back(*mine - *theirs);
  }
  if (!figure.differences.empty()) figure.paired = mean_interval(figure.differences);
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

Cases cases_of(const std::vector<RunSummary>& runs, std::optional<double> target) {
  std::vector<Aim> aims;
  aims.reserve(runs.size());
  for (const RunSummary& run : runs) aims.push_back({run.target, run.figures.accuracy_best});
  const double shortest = shortest_run(runs);
  Cases cases;
  cases.level = common_level(target, aims);
  cases.figures = {
      {"virtual_time_s", "virtual time", Unit::seconds, Better::less},
      {"tasks", "updates", Unit::count, Better::none},
      {"samples", "samples", Unit::count, Better::none},
      {"bytes", "bytes", Unit::bytes, Better::less},
      {"energy_j", "energy (workers)", Unit::joules, Better::less},
      {"energy_server_j", "energy (server)", Unit::joules, Better::less},
      {"utilization", "utilization", Unit::share, Better::more},
      {"peak_memory_bytes", "peak memory", Unit::bytes, Better::less},
      {"accuracy", "accuracy", Unit::share, Better::more},
      {"accuracy_at_s", "at " + base::human_seconds(shortest), Unit::share, Better::more},
      {"accuracy_area_common", "area to " + base::human_seconds(shortest), Unit::share,
       Better::more}};
  if (cases.level) {
    const std::vector<FigureName> names = figures_to(*cases.level);
    cases.figures.insert(cases.figures.end(), names.begin(), names.end());
  }
  const std::vector<std::string> labels = labels_of(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunSummary& run = runs[i];
    const RunFigures& f = run.figures;
    Case one{labels[i], run.folder, run.run.run.schedule, std::to_string(run.run.run.seed), {}};
    one.values = {f.virtual_time_s,
                  static_cast<double>(f.tasks),
                  f.samples,
                  f.bytes_down + f.bytes_up,
                  f.energy_j,
                  f.energy_server_j,
                  f.utilization,
                  f.peak_memory_bytes,
                  f.accuracy,
                  accuracy_at(run.curve, shortest),
                  accuracy_area(run.curve, shortest)};
    if (cases.level) {
      const auto values = values_at(first_at(run.curve, cases.level->accuracy));
      one.values.insert(one.values.end(), values.begin(), values.end());
    }
    cases.all.push_back(std::move(one));
  }
  return cases;
}

Cases cases_of(std::vector<SweepResults> sweeps, std::optional<double> target) {
  Cases all;
  all.level = set_level(sweeps, target);
  const auto place = [&all](const FigureName& name) {
    const auto found = std::ranges::find(all.figures, name.key, &FigureName::key);
    if (found != all.figures.end()) return static_cast<std::size_t>(found - all.figures.begin());
    all.figures.push_back(name);
    return all.figures.size() - 1;
  };
  for (const SweepResults& sweep : sweeps) {
    for (const FigureName& name : sweep.figures) place(name);
  }
  for (const SweepResults& sweep : sweeps) {
    for (const SeedGroup& group : without_seeds(sweep.index).groups) {
      const std::string label =
          (sweeps.size() > 1 ? sweep.folder + ": " : "") + label_of(sweep, group.settings);
      for (const std::size_t i : group.points) {
        const SweepPoint& point = sweep.points[i];
        if (point.status != PointStatus::done) continue;
        std::vector<std::optional<double>> values(all.figures.size());
        for (std::size_t f = 0; f < sweep.figures.size(); ++f) {
          values[place(sweep.figures[f])] = point.values[f];
        }
        all.all.push_back({label, sweep.folder + "/points/" + sweep.index.points[i].hash,
                           schedule_of(sweep, i), point.seed, std::move(values)});
      }
    }
  }
  return all;
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
    group_of.push_back(at->second);
  }
  c.baseline = find_baseline(cases, c.groups, baseline);
  c.level = cases.level;
  c.runs = cases.all.size();
  for (std::size_t f = 0; f < cases.figures.size(); ++f) {
    ComparedFigure figure{cases.figures[f], std::vector<GroupFigure>(c.groups.size())};
    bool any = false;
    for (std::size_t i = 0; i < cases.all.size(); ++i) {
      figure.groups[group_of[i]].values.push_back(cases.all[i].values[f]);
      any = any || cases.all[i].values[f];
      if (cases.figures[f].key == "time_to_accuracy_s" && cases.all[i].values[f]) ++c.reached;
    }
    if (!any) continue;
    for (GroupFigure& group : figure.groups) group.mean = mean_of(group.values);
    const GroupFigure& base = figure.groups[c.baseline];
    for (std::size_t g = 0; g < figure.groups.size(); ++g) {
      GroupFigure& group = figure.groups[g];
      if (group.mean && base.mean && *base.mean != 0) group.ratio = *group.mean / *base.mean;
      if (g != c.baseline) pair_up(c.groups[g], c.groups[c.baseline], base, group);
    }
    c.figures.push_back(std::move(figure));
  }
  return c;
}

}  // namespace convoy::analysis
