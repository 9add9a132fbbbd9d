// Tests that each word means one quantity: a run's energy is that of its workers, and the energy to
// a target is the same up to that time, in every output.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/digests.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_device.hpp"
#include "tests/support/programs.hpp"

namespace convoy {
namespace {

using nlohmann::json;
using test::Output;

class EnergyOfARun : public testing::Test {
 protected:
  EnergyOfARun() { folder_.write("hand.toml", test::hand_device); }

  [[nodiscard]] std::string scenario(const std::string& nodes, const std::string& schedule,
                                     const std::string& rest) const {
    const std::string hand = in("hand.toml");
    std::string text = fmt::format(
        "seed = 5\n[fleet]\nserver = {{ device = \"{0}\", link = {{ duplex = \"full\", down_bps = "
        "1e12, up_bps = 1e12 }} }}\n",
        hand);
    text += fmt::format("[[fleet.nodes]]\ndevice = \"{}\"\n{}\n", hand, nodes);
    return text +
           "[model]\narchitecture = \"mlp\"\n[data]\nsource = \"glyphs\"\nsamples = 240\n"
           "test_samples = 100\n[training]\nlearn = true\nbatch = 16\noptimizer = { kind = "
           "\"sgd\", learning_rate = 0.05 }\n[schedule]\n" +
           schedule + "\n" + rest + "\n";
  }
  Output run(const std::string& text, const std::string& name, const std::string& options = "") {
    return test::convoy(fmt::format("run {} --quiet --json -o {} {}",
                                    folder_.write(name + ".toml", text), in(name), options));
  }
  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] double number(const std::string& name, const std::string& sql) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    return database.execAndGet(sql).getDouble();
  }
  [[nodiscard]] std::string evaluations(const std::string& name) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    return test::exact_rows(database, "SELECT * FROM evaluation ORDER BY rowid");
  }

  // A node's energy up to a time, from its activities: 2 W always, plus 8 W while it computes, plus
  // 2 W while it sends or receives.
  [[nodiscard]] double drawn_by(const std::string& name, int node, double time_s) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    double joules = 2 * time_s;
    for (const auto& [kind, watts] : {std::pair{"compute", 8.0}, {"transfer", 2.0}}) {
      SQLite::Statement rows(database,
                             "SELECT start_s, MIN(end_s, ?) FROM activity WHERE kind = ? AND (node "
                             "= ? OR peer = ?) AND start_s < ? ORDER BY start_s");
      rows.bind(1, time_s);
      rows.bind(2, kind);
      rows.bind(3, node);
      rows.bind(4, node);
      rows.bind(5, time_s);
      double until = 0;  // several transfers at once draw as much as one
      while (rows.executeStep()) {
        const double end = rows.getColumn(1).getDouble();
        joules += watts * std::max(0.0, end - std::max(until, rows.getColumn(0).getDouble()));
        until = std::max(until, end);
      }
    }
    return joules;
  }

  // Checks that each evaluation of a run contains the energy of its `workers` workers and of its
  // server and the bytes up to then. `joules_per_byte`: of the workers' links.
  void expect_what_was_drawn(const std::string& name, int workers, double joules_per_byte) const {
    SQLite::Database database(in(name) + "/run.sqlite", SQLite::OPEN_READONLY);
    const double end_s = database.execAndGet("SELECT virtual_time_s FROM run").getDouble();
    SQLite::Statement rows(database,
                           "SELECT time_s, bytes, energy_j, energy_server_j FROM evaluation WHERE "
                           "judged ORDER BY rowid");
    int judgements = 0;
    while (rows.executeStep()) {
      const double time_s = rows.getColumn(0).getDouble();
      SQLite::Statement moved(database,
                              "SELECT COALESCE(SUM(bytes), 0) FROM activity WHERE kind = "
                              "'transfer' AND cause = '' AND end_s <= ? + 1e-9");
      moved.bind(1, time_s);
      moved.executeStep();
      const double bytes = moved.getColumn(0).getDouble();
      EXPECT_EQ(rows.getColumn(1).getDouble(), bytes);
      EXPECT_NEAR(rows.getColumn(3).getDouble(), drawn_by(name, 0, time_s), 1e-6);
      ++judgements;
      if (joules_per_byte > 0 && time_s == end_s)
        continue;  // transfers that were given up count in part
      double energy_j = bytes * joules_per_byte;
      for (int node = 1; node <= workers; ++node) energy_j += drawn_by(name, node, time_s);
      EXPECT_NEAR(rows.getColumn(2).getDouble(), energy_j, 1e-6);
    }
    EXPECT_GT(judgements, 3);
  }

  test::TemporaryFolder folder_;
};

constexpr const char* link = R"(link = { duplex = "full", down_bps = 8e6, up_bps = 8e6 })";

TEST_F(EnergyOfARun, UpToEachEvaluationByHand) {
  const std::string text = scenario(link, "kind = \"fedavg\"", "[stop]\nrounds = 3");
  const Output output = run(text, "r", "--set evaluation.target=0.01");
  ASSERT_EQ(output.status, 0) << output.err;
  expect_what_was_drawn("r", 1, 0);
  const json figures = json::parse(output.out);
  const double end_s = figures.at("virtual_time_s");
  EXPECT_NEAR(figures.at("energy_j").get<double>(), drawn_by("r", 1, end_s), 1e-6);
  EXPECT_NEAR(figures.at("energy_server_j").get<double>(), drawn_by("r", 0, end_s), 1e-6);
  EXPECT_EQ(figures.at("target_accuracy"), 0.01);
  // Guessing reaches this accuracy, so the run has it before any energy is used.
  EXPECT_LT(figures.at("time_to_accuracy_s").get<double>(), 1e-9);
  EXPECT_NEAR(figures.at("energy_to_accuracy_j").get<double>(), 0, 1e-6);
  const std::string told = test::convoy(fmt::format("run {} --quiet --no-store", in("r.toml"))).out;
  EXPECT_THAT(
      told, testing::ContainsRegex("energy +[0-9.]+ k?J \\(workers\\), [0-9.]+ k?J \\(server\\)"));
}

// In a timing-only run: the same totals; the store has their parts.
TEST_F(EnergyOfARun, OfARunThatDoesNotLearnIsSplitAsWell) {
  const std::string text = scenario(link, "kind = \"fedavg\"", "[stop]\nrounds = 3");
  const Output output = run(text, "r", "--set training.learn=false");
  ASSERT_EQ(output.status, 0) << output.err;
  const json figures = json::parse(output.out);
  const double end_s = figures.at("virtual_time_s");
  EXPECT_NEAR(figures.at("energy_j").get<double>(), drawn_by("r", 1, end_s), 1e-6);
  EXPECT_NEAR(figures.at("energy_server_j").get<double>(), drawn_by("r", 0, end_s), 1e-6);
  EXPECT_TRUE(figures.at("energy_to_accuracy_j").is_null());
  const json compared = json::parse(test::convoy("compare --json " + in("r")).out);
  EXPECT_NEAR(compared.at("runs").at(0).at("energy_j").get<double>(),
              figures.at("energy_j").get<double>(), 1e-9);
}

// Transfers under way are given up when the run ends: their cost so far belongs to the cost of the
// target and to the run's total.
TEST_F(EnergyOfARun, ToATargetThatIsReachedAtTheEndIsTheTotal) {
  const std::string text = scenario(
      "count = 5\njitter = 0.4\nlink = { duplex = \"half\", down_bps = 8e5, up_bps = 8e5, "
      "joules_per_byte = 1e-4 }",
      "kind = \"cos2p\"\ncos2p.quorum = 0.3", "[stop]\nrounds = 200\naccuracy = 0.2");
  const Output output = run(text, "r");
  ASSERT_EQ(output.status, 0) << output.err;
  const json figures = json::parse(output.out);
  ASSERT_LT(figures.at("rounds"), 200) << "it has not reached the accuracy";
  expect_what_was_drawn("r", 5, 1e-4);
  ASSERT_GT(number("r",
                   "SELECT COUNT(*) FROM activity WHERE cause = 'run_ended' AND kind = "
                   "'transfer' AND start_s IS NOT NULL"),
            0)
      << "nothing was on the way";
  EXPECT_EQ(figures.at("time_to_accuracy_s"), figures.at("virtual_time_s"));
  EXPECT_EQ(figures.at("energy_to_accuracy_j"), figures.at("energy_j"));
  EXPECT_EQ(figures.at("bytes_to_accuracy").get<double>(),
            figures.at("bytes_down").get<double>() + figures.at("bytes_up").get<double>());
  EXPECT_EQ(number("r", "SELECT energy_server_j FROM evaluation ORDER BY rowid DESC LIMIT 1"),
            figures.at("energy_server_j"));
  EXPECT_NEAR(number("r", "SELECT SUM(energy_j) FROM node WHERE id > 0"),
              figures.at("energy_j").get<double>(), 1e-6);

  // The store and a sweep have the same names and quantities.
  const json compared = json::parse(test::convoy("compare --json " + in("r")).out);
  const json sweep = json::parse(
      test::convoy(fmt::format("sweep {} --quiet --json -o {}",
                               folder_.write("s.toml", text + "[sweep]\nseed = [5]\n"), in("s")))
          .out);
  const json& point = sweep.at("results").at(0).at("summary");
  for (const char* key : {"virtual_time_s", "energy_j", "energy_server_j", "time_to_accuracy_s",
                          "bytes_to_accuracy", "energy_to_accuracy_j"}) {
    EXPECT_EQ(point.at(key), figures.at(key)) << key;
    bool there = false;
    for (const json& figure : compared.at("comparison").at("figures")) {
      if (figure.at("key") != key) continue;
      there = true;
      EXPECT_NEAR(figure.at("mean").at(0).get<double>(), figures.at(key).get<double>(), 1e-6);
    }
    EXPECT_TRUE(there) << key;
  }
  // Columns of results.csv by name.
  std::istringstream lines(test::read_file(in("s") + "/results.csv"));
  std::string names;
  std::string values;
  std::getline(lines, names);
  std::getline(lines, values);
  std::istringstream name_cells(names);
  std::istringstream value_cells(values);
  int found = 0;
  for (std::string name; std::getline(name_cells, name, ',');) {
    std::string value;
    std::getline(value_cells, value, ',');
    if (name == "result.energy_to_accuracy_j" || name == "result.energy_j") {
      ++found;
      EXPECT_EQ(std::stod(value), figures.at("energy_j").get<double>()) << name;
    }
  }
  EXPECT_EQ(found, 2);
}

TEST_F(EnergyOfARun, UpToEachEvaluationIsTheSameAfterAResumption) {
  const std::string text =
      scenario("count = 4\njitter = 0.4\n" + std::string(link), "kind = \"cos2p\"",
               "[stop]\nrounds = 60\n[output]\ncheckpoint_s = 0");
  ASSERT_EQ(run(text, "whole").status, 0);
  {
    test::Program killed(CONVOY_BINARY, {"run", in("whole.toml"), "--quiet", "-o", in("killed")},
                         folder_.path() / "log");
    test::eventually([&] {
      try {
        return number("killed", "SELECT COUNT(*) FROM evaluation") > 10;
      } catch (const SQLite::Exception&) {
        return false;  // does not exist yet
      }
    });
    killed.signal(SIGKILL);
    EXPECT_EQ(killed.wait(), -SIGKILL) << "it was through before it could be killed";
  }
  const Output resumed =
      test::convoy(fmt::format("run {} --quiet --resume -o {}", in("whole.toml"), in("killed")));
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(evaluations("killed"), evaluations("whole"));
  EXPECT_EQ(number("killed", "SELECT energy_j FROM evaluation ORDER BY rowid DESC LIMIT 1"),
            number("killed", "SELECT SUM(energy_j) FROM node WHERE id > 0"));
}

}  // namespace
}  // namespace convoy
