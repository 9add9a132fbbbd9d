#include "analysis/fidelity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "sim/store/foreign_store.hpp"
#include "sim/store/node_groups.hpp"

namespace convoy::analysis {
namespace {

// Transfers belong to the worker, whoever sends: node 0 is the server.
std::string name_sql() {
  return sim::name_in_sql("(CASE WHEN a.node = 0 THEN COALESCE(a.peer, 0) ELSE a.node END)");
}

std::string activities_sql() {
  return "SELECT " + name_sql() +
         ", a.label, a.iteration, a.cause, a.start_s, a.end_s, a.predicted_s FROM activity a WHERE "
         "a.real = ? ORDER BY a.start_s, a.task, a.activity, a.iteration";
}

std::string labels_sql() {
  return "SELECT DISTINCT " + name_sql() + ", a.label FROM activity a WHERE a.real = ?";
}

using NodeLabel = std::pair<std::string, std::string>;

struct ActivityEnd {
  bool started = false;
  bool whole = false;  // successful
  double took_s = 0;
  std::optional<double> predicted_s;
};

// By node, label and iteration; each list by start.
using Activities =
    std::map<std::tuple<std::string, std::string, std::int64_t>, std::vector<ActivityEnd>>;

class Sums {
 public:
  void compare(double simulated_s, double measured_s) {
    ++counts.compared;
    simulated_s_ += simulated_s;
    measured_s_ += measured_s;
    if (measured_s <= 0) {
      ++counts.without_duration;
      return;
    }
    const double share = (simulated_s - measured_s) / measured_s;
    error_ += std::abs(share);
  }

  void add(const Sums& other) {
    counts.compared += other.counts.compared;
    counts.without_duration += other.counts.without_duration;
    counts.unpaired_simulated += other.counts.unpaired_simulated;
    counts.unpaired_measured += other.counts.unpaired_measured;
    counts.failed_simulated += other.counts.failed_simulated;
    counts.failed_measured += other.counts.failed_measured;
    simulated_s_ += other.simulated_s_;
    measured_s_ += other.measured_s_;
    error_ += other.error_;
  }

  [[nodiscard]] DurationErrors means() const {
    DurationErrors errors = counts;
    if (const auto all = static_cast<double>(counts.compared); all > 0) {
      errors.simulated_s = simulated_s_ / all;
      errors.measured_s = measured_s_ / all;
      if (*errors.measured_s > 0) {
        errors.bias = (*errors.simulated_s - *errors.measured_s) / *errors.measured_s;
      }
    }
    const auto lasting = static_cast<double>(counts.compared - counts.without_duration);
    if (lasting > 0) errors.error = error_ / lasting;
    return errors;
  }

  DurationErrors counts;  // counts only, without means

 private:
  double simulated_s_ = 0;
  double measured_s_ = 0;
  double error_ = 0;
};

using SumsByLabel = std::map<NodeLabel, Sums>;

void put_means(const SumsByLabel& sums, Fidelity& fidelity) {
  std::map<std::string, Sums> totals;
  for (const auto& [key, sum] : sums) {
    fidelity.nodes.push_back({key.first, key.second, sum.means()});
    totals[key.second].add(sum);
  }
  for (const auto& [label, sum] : totals) fidelity.totals.push_back({"", label, sum.means()});
}

Activities read_activities(SQLite::Database& database, bool real) {
  Activities activities;
  SQLite::Statement rows(database, activities_sql());
  rows.bind(1, real ? 1 : 0);
  while (rows.executeStep()) {
    ActivityEnd end;
    end.started = !rows.getColumn(4).isNull();
    end.whole = end.started && rows.getColumn(3).getString().empty();
    if (end.started) end.took_s = rows.getColumn(5).getDouble() - rows.getColumn(4).getDouble();
    if (!rows.getColumn(6).isNull()) end.predicted_s = rows.getColumn(6).getDouble();
    activities[{rows.getColumn(0).getString(), rows.getColumn(1).getString(),
                rows.getColumn(2).getInt64()}]
        .push_back(end);
  }
  return activities;
}

std::set<NodeLabel> read_labels(SQLite::Database& database, bool real) {
  std::set<NodeLabel> labels;
  SQLite::Statement rows(database, labels_sql());
  rows.bind(1, real ? 1 : 0);
  while (rows.executeStep()) {
    labels.emplace(rows.getColumn(0).getString(), rows.getColumn(1).getString());
  }
  return labels;
}

// What a measured run has measured and what it has simulated.
struct Measured {
  Activities activities;
  std::set<NodeLabel> simulated;     // labels simulated in this run
  std::set<std::string> nodes;       // all nodes
  std::set<std::string> real_nodes;  // hil, or with a measured activity

  // True if this run should have measured the activity of a simulated run.
  [[nodiscard]] bool concerns(const std::string& node, const std::string& label) const {
    if (!nodes.contains(node)) return true;
    return real_nodes.contains(node) && !simulated.contains({node, label});
  }
};

Measured read_measured(SQLite::Database& database) {
  Measured measured;
  measured.activities = read_activities(database, true);
  const std::set<NodeLabel> labels = read_labels(database, true);
  for (const NodeLabel& key : labels) measured.real_nodes.insert(key.first);
  // A label measured at least once counts as measured.
  for (const NodeLabel& key : read_labels(database, false)) {
    if (!labels.contains(key)) measured.simulated.insert(key);
  }
  const auto groups = sim::read_node_groups(database.getFilename(), database, true);
  sim::for_each_node(groups, [&](const sim::NodeRow& node, const sim::NodeEnd*) {
    measured.nodes.insert(node.name);
    if (node.is_real()) measured.real_nodes.insert(node.name);
  });
  return measured;
}

// Pairs two lists by start. Activities that never started are not paired.
void pair_up(const std::vector<ActivityEnd>& simulated, const std::vector<ActivityEnd>& measured,
             Sums& sums) {
  const auto split = [](const std::vector<ActivityEnd>& all, std::int64_t& failed) {
    std::vector<ActivityEnd> started;
    for (const ActivityEnd& end : all) {
      if (!end.whole) ++failed;
      if (end.started) started.push_back(end);
    }
    return started;
  };
  const std::vector<ActivityEnd> s = split(simulated, sums.counts.failed_simulated);
  const std::vector<ActivityEnd> m = split(measured, sums.counts.failed_measured);
  for (std::size_t k = 0; k < std::max(s.size(), m.size()); ++k) {
    const bool in_simulated = k < s.size() && s[k].whole;
    const bool in_measured = k < m.size() && m[k].whole;
    if (in_simulated && in_measured) {
      sums.compare(s[k].took_s, m[k].took_s);
    } else if (in_simulated) {
      ++sums.counts.unpaired_simulated;
    } else if (in_measured) {
      ++sums.counts.unpaired_measured;
    }
  }
}

SumsByLabel pair_all(const Activities& simulated, const Measured& measured) {
  SumsByLabel sums;
  const std::vector<ActivityEnd> none;
  for (const auto& [key, ends] : measured.activities) {
    const auto found = simulated.find(key);
    pair_up(found == simulated.end() ? none : found->second, ends,
            sums[{std::get<0>(key), std::get<1>(key)}]);
  }
  for (const auto& [key, ends] : simulated) {
    const auto& [node, label, iteration] = key;
    if (measured.activities.contains(key) || !measured.concerns(node, label)) continue;
    pair_up(ends, none, sums[{node, label}]);
  }
  return sums;
}

struct Ends {
  std::optional<double> makespan_s;         // nothing: still running, or killed
  std::map<std::int64_t, double> versions;  // time of each version
};

Ends read_ends(SQLite::Database& database) {
  Ends ends;
  SQLite::Statement run(database, "SELECT virtual_time_s FROM run");
  if (run.executeStep() && !run.getColumn(0).isNull()) {
    ends.makespan_s = run.getColumn(0).getDouble();
  }
  SQLite::Statement rows(database, "SELECT version, end_s FROM aggregation");
  while (rows.executeStep()) {
    ends.versions[rows.getColumn(0).getInt64()] = rows.getColumn(1).getDouble();
  }
  return ends;
}

EndError error_of(double simulated_s, double measured_s) {
  EndError end{simulated_s, measured_s, std::nullopt};
  if (measured_s > 0) end.error = (simulated_s - measured_s) / measured_s;
  return end;
}

void compare_ends(const Ends& simulated, const Ends& measured, Fidelity& fidelity) {
  if (simulated.makespan_s && measured.makespan_s) {
    fidelity.makespan = error_of(*simulated.makespan_s, *measured.makespan_s);
  }
  for (const auto& [version, end_s] : simulated.versions) {
    const auto found = measured.versions.find(version);
    if (found == measured.versions.end()) continue;
    fidelity.version = version;
    fidelity.to_version = error_of(end_s, found->second);
  }
}

// Remarks about a store without activities to compare.
void remark_on_activities(SQLite::Database& database, const std::string& folder, bool real,
                          Fidelity& fidelity) {
  const auto holds = [&database](const char* query) {
    return database.execAndGet(query).getInt() != 0;
  };
  if (!holds("SELECT EXISTS (SELECT 1 FROM activity)")) {
    fidelity.remarks.push_back(
        fmt::format("{}: holds no activities, so there are no errors by node; run it with "
                    "output.record = \"activity\"",
                    folder));
  } else if (real && !holds("SELECT EXISTS (SELECT 1 FROM activity WHERE real)")) {
    fidelity.remarks.push_back(fmt::format("{}: none of its activities was measured", folder));
  }
}

void remark_on_runs(const std::string& simulated_folder, const sim::StoredRun& simulated,
                    const std::string& measured_folder, const sim::StoredRun& measured,
                    Fidelity& fidelity) {
  const sim::RunRow& s = simulated.run;
  const sim::RunRow& m = measured.run;
  if (s.name != m.name || s.schedule != m.schedule) {
    fidelity.remarks.push_back(
        fmt::format("the runs are not of the same scenario ({} with {}, {} with {})", s.name,
                    s.schedule, m.name, m.schedule));
  }
  const auto remark = [&fidelity](const std::string& folder, sim::RunStatus status) {
    if (status == sim::RunStatus::done) return;
    fidelity.remarks.push_back(
        fmt::format("{}: the run did not come to its end ({})", folder, sim::name_of(status)));
  };
  remark(simulated_folder, simulated.status);
  remark(measured_folder, measured.status);
}

}  // namespace

bool is_measured(const std::filesystem::path& folder) {
  return sim::read_store(folder, [](sim::ForeignStore& store) {
    store.run();  // says what is wrong with a store
    for (const char* query : {"SELECT EXISTS (SELECT 1 FROM node_group WHERE backend = 'hil')",
                              "SELECT EXISTS (SELECT 1 FROM activity WHERE real)"}) {
      if (store.database().execAndGet(query).getInt() != 0) return true;
    }
    return false;
  });
}

Fidelity compare_with_measured(const std::filesystem::path& simulated,
                               const std::filesystem::path& measured) {
  Fidelity fidelity;
  fidelity.simulated = simulated.string();
  fidelity.measured = measured.string();
  sim::StoredRun simulated_run;
  Ends simulated_ends;
  const Activities activities = sim::read_store(simulated, [&](sim::ForeignStore& store) {
    simulated_run = store.run();
    remark_on_activities(store.database(), fidelity.simulated, false, fidelity);
    simulated_ends = read_ends(store.database());
    return read_activities(store.database(), false);
  });
  sim::StoredRun measured_run;
  Ends measured_ends;
  const Measured all = sim::read_store(measured, [&](sim::ForeignStore& store) {
    measured_run = store.run();
    remark_on_activities(store.database(), fidelity.measured, true, fidelity);
    measured_ends = read_ends(store.database());
    return read_measured(store.database());
  });
  std::vector<std::string> on_activities = std::exchange(fidelity.remarks, {});
  remark_on_runs(fidelity.simulated, simulated_run, fidelity.measured, measured_run, fidelity);
  std::move(on_activities.begin(), on_activities.end(), std::back_inserter(fidelity.remarks));
  // Without one of the sides, unpaired activities are not counted.
  if (!activities.empty() && !all.activities.empty()) {
    put_means(pair_all(activities, all), fidelity);
  }
  compare_ends(simulated_ends, measured_ends, fidelity);
  return fidelity;
}

Fidelity compare_predictions(const std::filesystem::path& measured) {
  Fidelity fidelity;
  fidelity.measured = measured.string();
  const Activities activities = sim::read_store(measured, [&](sim::ForeignStore& store) {
    store.run();  // says what is wrong with a store
    remark_on_activities(store.database(), fidelity.measured, true, fidelity);
    return read_activities(store.database(), true);
  });
  SumsByLabel sums;
  bool predicted = false;
  for (const auto& [key, ends] : activities) {
    Sums& sum = sums[{std::get<0>(key), std::get<1>(key)}];
    for (const ActivityEnd& end : ends) {
      predicted = predicted || end.predicted_s;
      if (!end.whole) {
        ++sum.counts.failed_measured;
      } else if (!end.predicted_s) {
        ++sum.counts.unpaired_measured;
      } else {
        sum.compare(*end.predicted_s, end.took_s);
      }
    }
  }
  if (predicted) put_means(sums, fidelity);
  if (!activities.empty() && !predicted) {
    fidelity.remarks.push_back(
        fmt::format("{}: holds no predictions of what was measured; give a simulated run of the "
                    "same scenario as well",
                    fidelity.measured));
  }
  return fidelity;
}

std::vector<Fidelity> read_fidelity(const std::vector<std::filesystem::path>& folders) {
  std::vector<std::filesystem::path> simulated;
  std::vector<std::filesystem::path> measured;
  for (const std::filesystem::path& folder : folders) {
    (is_measured(folder) ? measured : simulated).push_back(folder);
  }
  const auto alike = [](const std::filesystem::path& a, const std::filesystem::path& b) {
    const sim::RunRow first = sim::read_run(a).run;
    const sim::RunRow second = sim::read_run(b).run;
    return first.name == second.name && first.schedule == second.schedule;
  };
  std::vector<Fidelity> all;
  for (const std::filesystem::path& m : measured) {
    bool paired = false;
    for (const std::filesystem::path& s : simulated) {
      if (folders.size() > 2 && !alike(s, m)) continue;
      all.push_back(compare_with_measured(s, m));
      paired = true;
    }
    if (!paired) all.push_back(compare_predictions(m));
  }
  return all;
}

}  // namespace convoy::analysis
