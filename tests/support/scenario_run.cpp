#include "tests/support/scenario_run.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include "tests/support/each_solver.hpp"

namespace convoy::test {

std::vector<std::string> query_store(const std::filesystem::path& folder, const std::string& sql) {
  std::vector<std::string> rows;
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY, 5000);
  SQLite::Statement statement(database, sql);
  while (statement.executeStep()) {
    std::string row;
    for (int i = 0; i < statement.getColumnCount(); ++i) {
      row += (i > 0 ? "|" : "") + statement.getColumn(i).getString();
    }
    rows.push_back(row);
  }
  return rows;
}

sim::Scenario read_or_fail(const std::string& toml) {
  base::Diagnostics problems;
  auto scenario = sim::read_scenario_text(toml, "test.toml", {}, problems);
  if (!scenario) throw std::runtime_error(problems.str());
  return std::move(*scenario);
}

ScenarioRun::ScenarioRun(const std::string& toml) { execute(toml, nullptr); }

ScenarioRun::ScenarioRun(const std::string& toml, sim::ScheduleSpec schedule) {
  execute(toml, &schedule);
}

void ScenarioRun::execute(const std::string& toml, const sim::ScheduleSpec* schedule) {
  sim::Scenario scenario = read_or_fail(toml);
  if (schedule != nullptr) scenario.schedule = *schedule;
  if (solver_in_use() != sim::WorldConfig{}.solver) scenario.world.solver = solver_in_use();
  sim::RunOptions options;
  options.folder = folder_.path();
  result_ = sim::run(scenario, options);
}

std::vector<StoredTask> ScenarioRun::tasks() const {
  SQLite::Database database(folder_.path() / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement rows(database,
                         "SELECT id, node, assigned_s, ended_s, outcome, base_version, "
                         "coalesce(staleness, -1) FROM task WHERE kind = 'update' ORDER BY id");
  std::vector<StoredTask> tasks;
  while (rows.executeStep()) {
    tasks.push_back({rows.getColumn(0).getInt64(), rows.getColumn(1).getInt64(),
                     rows.getColumn(2).getDouble(), rows.getColumn(3).getDouble(),
                     rows.getColumn(4).getString(), rows.getColumn(5).getInt64(),
                     rows.getColumn(6).getInt64()});
  }
  return tasks;
}

std::vector<StoredActivity> ScenarioRun::activities(const std::string& label) const {
  SQLite::Database database(folder_.path() / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement rows(database,
                         "SELECT task, node, label, coalesce(start_s, -1), end_s, cause FROM "
                         "activity WHERE ?1 = '' OR label = ?1 ORDER BY task, iteration, activity");
  rows.bind(1, label);
  std::vector<StoredActivity> activities;
  while (rows.executeStep()) {
    activities.push_back({rows.getColumn(0).getInt64(), rows.getColumn(1).getInt64(),
                          rows.getColumn(2).getString(), rows.getColumn(3).getDouble(),
                          rows.getColumn(4).getDouble(), rows.getColumn(5).getString()});
  }
  return activities;
}

std::vector<double> ScenarioRun::versions() const {
  SQLite::Database database(folder_.path() / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement rows(database, "SELECT end_s FROM aggregation ORDER BY version");
  std::vector<double> times;
  while (rows.executeStep()) times.push_back(rows.getColumn(0).getDouble());
  return times;
}

std::vector<double> ScenarioRun::times_of(const std::string& event) const {
  SQLite::Database database(folder_.path() / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement rows(database,
                         "SELECT time_s FROM journal WHERE entry = 'event' AND kind = ? "
                         "ORDER BY sequence");
  rows.bind(1, event);
  std::vector<double> times;
  while (rows.executeStep()) times.push_back(rows.getColumn(0).getDouble());
  return times;
}

std::string simple_scenario(const Simple& simple) {
  std::string text = "[fleet]\nserver = { link = { " + simple.server_link + " } }\n";
  if (!simple.shared_link.empty()) {
    text += "[[fleet.shared_links]]\nname = \"ap\"\nlink = { " + simple.shared_link + " }\n";
  }
  for (const std::string& node : simple.nodes) {
    text += "[[fleet.nodes]]\ndevice = \"jetson-agx-orin-64gb\"\nsamples = 1\n";
    if (node.find("link =") == std::string::npos) {
      text += "link = { duplex = \"full\", down_bps = 8e6, up_bps = 8e6 }\n";
    }
    text += node + "\n";
  }
  return text + "[model]\narchitecture = \"mlp\"\n[training]\nfixed_cost = { " + simple.cost +
         " }\n[schedule]\n" + simple.schedule + "\n[stop]\n" + simple.stop + "\n";
}

}  // namespace convoy::test
