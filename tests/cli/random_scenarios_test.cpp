// Tests that any valid scenario ends in a clear state: random fleets, links, traces, schedules and
// stops, run as users run them. CONVOY_RANDOM_SCENARIOS gives the number of scenarios (./dev fuzz:
// 2,000), CONVOY_RANDOM_FROM the first one's number, which is its seed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"
#include "tests/support/random_scenario.hpp"

namespace convoy {
namespace {

using nlohmann::json;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::stoull(value);
}

// Checks that all numbers are finite: JSON has no others and would contain null.
void expect_numbers(const json& summary, const std::string& what) {
  for (const char* key :
       {"rounds", "virtual_time_s", "wall_time_s", "tasks", "tasks_aggregated", "tasks_failed",
        "tasks_dropped", "tasks_buffered", "tasks_run_ended", "tasks_assigned", "samples",
        "utilization", "bytes_down", "bytes_up", "energy_j"}) {
    ASSERT_TRUE(summary.contains(key)) << what << ": " << key;
    EXPECT_TRUE(summary[key].is_number()) << what << ": " << key << " is " << summary[key];
    EXPECT_GE(summary[key].get<double>(), 0) << what << ": " << key;
  }
  EXPECT_LE(summary["utilization"].get<double>(), 1 + 1e-9) << what;
  // Each update that a node was to make has one fate.
  const auto count = [&](const char* key) { return summary[key].get<std::int64_t>(); };
  EXPECT_EQ(count("tasks") + count("tasks_failed") + count("tasks_run_ended"),
            count("tasks_assigned"))
      << what;
  EXPECT_EQ(count("tasks_aggregated") + count("tasks_dropped") + count("tasks_buffered"),
            count("tasks"))
      << what;
}

// All that read stores read this one. (Perfetto's form needs activities.)
void expect_readable(const std::string& store, const std::string& what) {
  for (const std::string& verb : {"report " + store + " -o " + store + ".html", "compare " + store,
                                  "compare --json " + store}) {
    const test::Output read = test::convoy(verb);
    EXPECT_EQ(read.status, 0) << verb << ": " << read.err << what;
  }
}

TEST(RandomScenarios, EndInAClearState) {
  const std::uint64_t count = from_environment("CONVOY_RANDOM_SCENARIOS", 40);
  const std::uint64_t first = from_environment("CONVOY_RANDOM_FROM", 0);
  int done = 0;
  for (std::uint64_t number = first; number < first + count; ++number) {
    const test::TemporaryFolder folder;
    const test::RandomScenario scenario = test::random_scenario(number, folder.path());
    const std::string what =
        "scenario " + std::to_string(number) + ":\n" + test::read_file(scenario.toml);
    const std::string store = (folder.path() / "run").string();
    test::Program program(CONVOY_BINARY,
                          {"run", scenario.toml, "--json", "-o", store, "--workers", "1"},
                          folder.path() / "log");
    const int status = program.wait(120);
    const std::string output = program.output();
    // Checks: done, or failed with a cause; nothing is refused, crashes or runs forever.
    ASSERT_TRUE(status == 0 || status == 1) << status << "\n" << output << what;
    const auto begin = output.find("{\n");
    const auto end = output.rfind("}\n");
    ASSERT_NE(begin, std::string::npos) << output << what;
    const json summary = json::parse(output.substr(begin, end + 1 - begin), nullptr, false);
    ASSERT_FALSE(summary.is_discarded()) << output << what;
    expect_numbers(summary, what);
    if (status == 0) {
      EXPECT_EQ(summary["status"], "done") << what;
      ++done;
    } else {
      EXPECT_EQ(summary["status"], "failed") << what;
      EXPECT_TRUE(summary["cause"].is_string()) << what;
    }
    // Checks that recorded rows add up to the printed figures.
    const test::Output report =
        test::convoy("export " + store + " --format csv -o " + (folder.path() / "tables").string());
    EXPECT_EQ(report.status, 0) << report.err << what;
    if (number % 4 == 0) expect_readable(store, what);
  }
  // The generator is useful only if most of its scenarios can run to their end.
  EXPECT_GE(done * 3, static_cast<int>(count)) << "of " << count;
}

}  // namespace
}  // namespace convoy
