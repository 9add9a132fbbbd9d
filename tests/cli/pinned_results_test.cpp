// Digests of results: a change that should change nothing keeps every bit. Times do not depend on
// the machine, with one exception: random draws (jitter, outages, shares of the data) use the C
// library's exp, log and cos, which on a CPU without FMA sometimes differ in the last bit. Learned
// values differ in their last bits if BLAS and oneDNN choose other kernels; so they, and times that
// depend on them, are pinned per kind of CPU.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "tests/support/digests.hpp"
#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"

namespace convoy {
namespace {

enum class Times {
  same_everywhere,
  as_learned,  // sizes or the end depend on learning: pinned per kind of CPU, too
};

struct Pinned {
  const char* name;    // name of a file in tests/support/comparison
  const char* digest;  // digest of the times; empty for as_learned
  Times times = Times::same_everywhere;
  bool learns = true;

  friend void PrintTo(const Pinned& pinned, std::ostream* out) { *out << pinned.name; }
};

constexpr Pinned runs[] = {
    {"cos2p-learned", "f7dc518de81f6d47"},
    {"cos2p-sampled", "", Times::as_learned},
    {"cos2p-random-drop", "2f23b4bf92d39dc9"},
    {"fedavg-participants", "6a8b34c296d0e6af"},
    {"fedavg-deadline", "7205fb85adbc138c"},
    {"fedavg-depth", "", Times::as_learned},
    {"judged-by-time", "7837e5bc982d8a4b"},
    {"world", "70bb5598047a871a", Times::same_everywhere, false},
    {"by-hand", "ef59f1d04585c1c9", Times::same_everywhere, false},
    {"unfit", "0ca68d66e45152a0", Times::same_everywhere, false},
};
constexpr const char* swept_digest = "4c485c6596331a51";

// Digests of learned values on one kind of CPU.
struct Learned {
  const char* cpu;
  const char* name;
  const char* digest;
};

constexpr Learned learned[] = {
    {test::zen5, "cos2p-learned", "b01cb8a1a5785e0d"},
    {test::zen5, "fedavg-participants", "14859cf727f0534c"},
    {test::zen5, "fedavg-deadline", "c62959f26d74b475"},
    {test::zen5, "fedavg-depth", "83140242486de19e"},
    {test::zen5, "judged-by-time", "99f33aff1be61f4b"},
    {test::zen5_as_haswell, "cos2p-learned", "77ae09e612279c8c"},
    {test::zen5_as_haswell, "cos2p-sampled", "fff2fd420058e289"},
    {test::zen5_as_haswell, "cos2p-random-drop", "18bfe03e6a2d2b6c"},
    {test::zen5_as_haswell, "fedavg-participants", "01ac2af9cd2fbbf3"},
    {test::zen5_as_haswell, "fedavg-deadline", "afc56ebea93781b7"},
    {test::zen5_as_haswell, "fedavg-depth", "4fd1800f142fee71"},
    {test::zen5_as_haswell, "judged-by-time", "62bee98ff03691f1"},
};

const char* pinned_here(const std::string& cpu, const std::string& name) {
  for (const Learned& l : learned) {
    if (cpu == l.cpu && name == l.name) return l.digest;
  }
  return nullptr;
}

// --- digests ------------------------------------------------------------------------------------

// Only tables and columns that stores of version 4 have. Aggregations by their results, not by
// their rows.
std::string times_of(const std::filesystem::path& folder) {
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY);
  return test::exact_rows(database,
                          "SELECT name, schedule, seed, status, cause, virtual_time_s FROM run") +
         test::exact_rows(
             database,
             "SELECT id, name, samples, batch, busy_s, communicating_s, waiting_s, away_s, "
             "bytes_in, bytes_out, peak_memory_bytes, energy_j, tasks, tasks_failed FROM node "
             "ORDER BY id") +
         test::exact_rows(
             database,
             "SELECT id, node, label, rate, samples, base_version, assigned_s, ended_s, "
             "outcome, aggregated_version, staleness, busy_s, communicating_s, bytes_down, "
             "bytes_up, flops, energy_j FROM task WHERE node > 0 ORDER BY id") +
         test::exact_rows(
             database,
             "SELECT task, activity, iteration, kind, label, node, peer, ready_s, start_s, "
             "end_s, bytes, flops, energy_j, cause FROM activity WHERE node > 0 OR peer > 0 "
             "ORDER BY task, activity, iteration") +
         test::exact_rows(
             database,
             "SELECT version, start_s, end_s, updates, samples, staleness_mean, staleness_max "
             "FROM aggregation ORDER BY version");
}

std::string learned_of(const std::filesystem::path& folder) {
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY);
  return test::exact_rows(
             database,
             "SELECT id, kept, loss, local_accuracy, share FROM task WHERE node > 0 ORDER BY "
             "id") +
         test::exact_rows(
             database,
             "SELECT version, coverage_min, untrained FROM aggregation ORDER BY version") +
         test::exact_rows(
             database,
             "SELECT version, exit, blocks, judged, loss, top1, top5, f1, untrained FROM "
             "evaluation ORDER BY version, time_s, exit") +
         test::weights_of(folder);
}

// --- the tests ----------------------------------------------------------------------------------

std::string scenario(const std::string& name) {
  return fmt::format("{}/tests/support/comparison/{}.toml", CONVOY_SOURCE, name);
}

class PinnedResults : public testing::TestWithParam<Pinned> {
 protected:
  static constexpr const char* if_meant =
      "If the change was meant to change results, pin the new digest in "
      "tests/cli/pinned_results_test.cpp and say in the commit why; else "
      "tests/support/compare_builds.py shows which rows differ";

  void SetUp() override {
    if (test::library("simgrid") != test::pinned_simgrid) {
      GTEST_SKIP() << "times are pinned with SimGrid " << test::pinned_simgrid << ", this is "
                   << test::library("simgrid");
    }
  }

  void check(const Pinned& run, const std::filesystem::path& out) const {
    const std::string times = times_of(out);
    if (run.times == Times::same_everywhere) {
      EXPECT_EQ(base::content_hash(times), run.digest)
          << "the times of " << run.name << " are not what they were. " << if_meant;
    }
    if (!run.learns) return;
    const std::string of_both =
        learned_of(out) + (run.times == Times::as_learned ? times : std::string());
    const std::string digest = base::content_hash(of_both);
    const std::string cpu = test::kind_of_cpu();
    const char* pinned = pinned_here(cpu, run.name);
    if (pinned == nullptr) {
      GTEST_SKIP() << "what is learned is not pinned for this kind of CPU; times were compared. To "
                      "pin it, from a build whose results are right, add {\""
                   << cpu << "\", \"" << run.name << "\", \"" << digest << "\"}";
    }
    EXPECT_EQ(digest, pinned) << "what " << run.name << " learns on \"" << cpu
                              << "\" is not what it was (another LibTorch or BLAS may be why). "
                              << if_meant;
  }

  test::TemporaryFolder folder;
};

TEST_P(PinnedResults, AreTheSame) {
  const Pinned& run = GetParam();
  const auto out = folder.path() / "run";
  const test::Output output =
      test::convoy(fmt::format("run {} --quiet -o {}", scenario(run.name), out.string()));
  ASSERT_EQ(output.status, 0) << output.err;
  check(run, out);
}

std::string test_name(const testing::TestParamInfo<Pinned>& of) {
  std::string name = of.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Runs, PinnedResults, testing::ValuesIn(runs), test_name);

class PinnedResumption : public PinnedResults {};

TEST_P(PinnedResumption, IsTheSameAsARunThatWasNeverStopped) {
  const Pinned& run = GetParam();
  const auto out = folder.path() / "run";
  {
    test::Program killed(CONVOY_BINARY, {"run", scenario(run.name), "--quiet", "-o", out.string()},
                         folder.path() / "log");
    test::eventually([&] {
      try {
        SQLite::Database database(out / "run.sqlite", SQLite::OPEN_READONLY);
        return database.execAndGet("SELECT COUNT(*) FROM journal").getInt() > 40;
      } catch (const SQLite::Exception&) {
        return false;  // does not exist yet
      }
    });
    killed.signal(SIGKILL);
    EXPECT_EQ(killed.wait(), -SIGKILL) << "it was through before it could be killed";
  }
  const test::Output output =
      test::convoy(fmt::format("run {} --quiet --resume -o {}", scenario(run.name), out.string()));
  ASSERT_EQ(output.status, 0) << output.err;
  check(run, out);
}

INSTANTIATE_TEST_SUITE_P(Runs, PinnedResumption, testing::Values(runs[1]), test_name);

TEST_F(PinnedResults, OfASweepAreTheSame) {
  const auto out = folder.path() / "sweep";
  const test::Output output =
      test::convoy(fmt::format("sweep {} -j 2 -o {}", scenario("swept"), out.string()));
  ASSERT_EQ(output.status, 0) << output.err;
  const auto index = nlohmann::json::parse(test::read_file(out / "sweep.json"));
  std::string all;
  for (const auto& point : index.at("points")) {
    all += point.at("settings").dump() + "\n" +
           times_of(out / "points" / point.at("hash").get<std::string>());
  }
  EXPECT_EQ(base::content_hash(all), swept_digest)
      << "the times of the sweep's points are not what they were. " << if_meant;
}

}  // namespace
}  // namespace convoy
