// Tests the output of `convoy export`, and that other programs can read it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <map>
#include <sstream>

#include "analysis/tables.hpp"
#include "base/csv.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"

namespace convoy {
namespace {

using test::convoy;
using test::HandMadeStore;
using test::Output;
using test::TemporaryFolder;
using testing::HasSubstr;

// Makes a timing-only run of a few rounds with an outage; gives its folder.
std::string small_run(const TemporaryFolder& folder, const std::string& more = "") {
  const std::string scenario = folder.write("small.toml", R"(
name = "small"
[[fleet.nodes]]
device = "jetson-orin-nx-16gb"
link = "wifi6"
count = 2
[[fleet.nodes]]
device = "jetson-nano"
link = "lte"
outages = [{ at_s = 3, for_s = 4 }]
[model]
architecture = "cnn-small"
[training]
learn = false
batch = 16
[schedule]
kind = "fedavg"
[stop]
rounds = 5
)");
  const std::string run = (folder.path() / "run").string();
  const Output output = convoy("run " + scenario + " --quiet -o " + run + more);
  EXPECT_EQ(output.status, 0) << output.err;
  return run;
}

using Rows = std::vector<std::map<std::string, std::string>>;

Rows read_csv(const std::filesystem::path& file) {
  const std::string text = base::read_text_file(file.string());
  base::CsvReader csv(text, file.string());
  Rows rows;
  while (csv.next()) {
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < csv.columns().size(); ++i) {
      row[csv.columns()[i]] = std::string(csv.cell(static_cast<int>(i)));
    }
  }
  return rows;
}

TEST(ExportCsv, AFileForEachTableWithAllItsRows) {
  const TemporaryFolder folder;
  const std::string run = small_run(folder);
  const Output output = convoy("export " + run + " --format csv");
  ASSERT_EQ(output.status, 0) << output.err;
  const analysis::RunTables tables = analysis::read_tables(run);
  const auto rows = [&](const std::string& name) {
    return read_csv(run + "/csv/" + name + ".csv");
  };
  const Rows activities = rows("activity");
  ASSERT_EQ(activities.size(), tables.activities.size());
  for (std::size_t i = 0; i < activities.size(); ++i) {
    // Numbers are written so that reading gives exactly the same number.
    EXPECT_EQ(std::stod(activities[i].at("end_s")), tables.activities[i].end_s);
    EXPECT_EQ(std::stod(activities[i].at("energy_j")), tables.activities[i].energy_j);
  }
  const Rows tasks = rows("task");
  const auto updates = std::count_if(tasks.begin(), tasks.end(),
                                     [](const auto& task) { return task.at("kind") == "update"; });
  ASSERT_EQ(updates, tables.tasks.size());
  EXPECT_EQ(tasks.size() - updates, 5);  // one row per aggregation
  EXPECT_EQ(tasks.back().at("published_version"), "5");
  EXPECT_EQ(tasks[0].at("node_name"), tables.nodes[1].name);
  EXPECT_EQ(rows("aggregation").size(), 5);
  EXPECT_EQ(rows("round").size(), 5);
  EXPECT_EQ(rows("node").size(), 4);
  EXPECT_FALSE(rows("idle").empty());
  EXPECT_TRUE(rows("evaluation").empty());
  EXPECT_THAT(base::read_text_file(run + "/csv/run.csv"), HasSubstr(",done,,"));
}

TEST(ExportCsv, NamesAreQuotedWhereTheyMustBe) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a, \"b\"\nc");
  store.write();
  const std::string run = (folder.path() / "run").string();
  ASSERT_EQ(convoy("export " + run + " --format csv -o " + (folder.path() / "out").string()).status,
            0);
  EXPECT_THAT(base::read_text_file((folder.path() / "out/node.csv").string()),
              HasSubstr("1,\"a, \"\"b\"\"\nc\","));
}

TEST(ExportColext, HasItsFilesAndColumns) {
  const TemporaryFolder folder;
  const std::string run = small_run(folder);
  const Output output = convoy("export " + run + " --format colext --job 7");
  ASSERT_EQ(output.status, 0) << output.err;
  const std::map<std::string, std::string> headings = {
      {"round_timings", "round_number,stage,start_time,end_time,srv_accuracy,dist_accuracy"},
      {"client_info", "client_id,dev_type,device_name,device_type"},
      {"client_round_timings", "client_id,round_number,stage,start_time,end_time"},
      {"hw_metrics",
       "client_id,time,cpu_util,gpu_util,mem_util,n_bytes_sent,n_bytes_rcvd,net_usage_out,"
       "net_usage_in,power_consumption"}};
  for (const auto& [name, heading] : headings) {
    const std::string text = base::read_text_file(run + "/colext/colext_7_" + name + ".csv");
    EXPECT_EQ(text.substr(0, text.find('\n')), heading);
  }
}

// Sums over hw_metrics equal the run's figures.
TEST(ExportColext, SumsUpToWhatTheNodesDid) {
  const TemporaryFolder folder;
  const std::string run = small_run(folder);
  ASSERT_EQ(convoy("export " + run + " --format colext --period 0.5").status, 0);
  const analysis::RunTables tables = analysis::read_tables(run);
  struct Sum {
    double energy_j = 0;
    double computing_s = 0;
    double sent = 0;
    double received = 0;
    double last_s = 0;
  };
  std::map<std::string, Sum> sums;
  for (const auto& row : read_csv(run + "/colext/hw_metrics.csv")) {
    Sum& sum = sums[row.at("client_id")];
    const std::string& time = row.at("time");  // 2000-01-01 00:MM:SS.ffffff+00:00
    const double now = 60 * std::stod(time.substr(14, 2)) + std::stod(time.substr(17, 9));
    sum.energy_j += std::stod(row.at("power_consumption")) * (now - sum.last_s);
    sum.computing_s += std::stod(row.at("gpu_util")) / 100 * (now - sum.last_s);
    sum.sent = std::stod(row.at("n_bytes_sent"));
    sum.received = std::stod(row.at("n_bytes_rcvd"));
    sum.last_s = now;
  }
  ASSERT_EQ(sums.size(), 3);
  for (const sim::NodeEnd& node : tables.node_ends) {
    if (node.id == 0) continue;
    const Sum& sum = sums.at(std::to_string(node.id));
    EXPECT_NEAR(sum.energy_j, node.energy_j, 1e-4 * node.energy_j) << node.id;
    EXPECT_NEAR(sum.computing_s, node.busy_s, 1e-4) << node.id;
    EXPECT_NEAR(sum.last_s, *tables.ended_s, 1e-5);
    // The bytes moved by an interrupted transfer are unknown.
    EXPECT_LE(sum.sent, node.bytes_out + 1);
    EXPECT_LE(sum.received, node.bytes_in + 1);
    EXPECT_GT(sum.received, 0.5 * node.bytes_in);
  }
}

TEST(ExportColext, LostUpdatesHaveNoEnd) {
  const TemporaryFolder folder;
  const std::string run = small_run(folder);
  ASSERT_EQ(convoy("export " + run + " --format colext").status, 0);
  std::size_t lost = 0;
  for (const auto& row : read_csv(run + "/colext/client_round_timings.csv")) {
    lost += row.at("end_time").empty() ? 1 : 0;
  }
  EXPECT_EQ(lost, 1) << "of the node that was away for a while";
}

TEST(Export, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  const std::string run = small_run(folder, " --set output.record=task");
  const Output none = convoy("export " + run + " --format colext");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("output.record = \"activity\""));
  EXPECT_EQ(convoy("export " + run + " --format csv").status, 0);
  EXPECT_EQ(convoy("export " + run + " --format csv --period 1").status, 2);
  EXPECT_EQ(convoy("export " + run + " --format csv -o -").status, 2);
  const std::string file = folder.write("file", "");
  const Output taken = convoy("export " + run + " --format csv -o " + file);
  EXPECT_EQ(taken.status, 2);
  EXPECT_THAT(taken.err, HasSubstr("cannot be made a folder"));
}

// --- with Python's pandas -----------------------------------------------------------------------

// Debian's python, for which Debian's packages are installed.
constexpr const char* python = "/usr/bin/python3";

Output run_python(const TemporaryFolder& folder, const std::string& arguments) {
  const std::string out = (folder.path() / "python.out").string();
  const std::string command = std::string(python) + " " + arguments + " > " + out + " 2>&1";
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe,cert-env33-c)
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::read_file(out), ""};
}

class WithPandas : public testing::Test {
 protected:
  void SetUp() override {
    if (run_python(folder_, "-c 'import pandas, matplotlib'").status != 0) {
      GTEST_SKIP() << "needs the packages python3-pandas and python3-matplotlib";
    }
  }
  TemporaryFolder folder_;
};

TEST_F(WithPandas, TheExampleReadsAStoreAndPlotsIt) {
  const std::string run = small_run(folder_);
  const std::string example = std::string(CONVOY_SOURCE) + "/analysis/examples/plot_run.py ";
  const std::string picture = (folder_.path() / "run.png").string();
  const Output output = run_python(folder_, example + run + " -o " + picture);
  EXPECT_EQ(output.status, 0) << output.out;
  EXPECT_THAT(output.out, HasSubstr("jetson-nano"));
  EXPECT_THAT(output.out, HasSubstr("download"));
  EXPECT_EQ(test::read_file(picture).substr(1, 3), "PNG");
  EXPECT_THAT(run_python(folder_, example + folder_.path().string()).out,
              HasSubstr("there is no run here"));
}

// Analysis as done for CoLExT's measurements: parses dates, integrates power to energy, joins it
// with the times of the clients' rounds.
TEST_F(WithPandas, ReadsTheFilesOfColext) {
  const std::string run = small_run(folder_);
  ASSERT_EQ(convoy("export " + run + " --format colext").status, 0);
  const std::string script = folder_.write("read.py", R"(
import sys
import pandas as pd
folder = sys.argv[1]
rounds = pd.read_csv(f"{folder}/round_timings.csv", parse_dates=["start_time", "end_time"])
clients = pd.read_csv(f"{folder}/client_round_timings.csv", parse_dates=["start_time", "end_time"])
info = pd.read_csv(f"{folder}/client_info.csv").set_index("client_id")
hw = pd.read_csv(f"{folder}/hw_metrics.csv", parse_dates=["time"])
assert str(hw["time"].dtype).startswith("datetime64"), hw["time"].dtype
assert (rounds["stage"] == "FIT").sum() == 5
length = (rounds["end_time"] - rounds["start_time"]).dt.total_seconds()
assert (length > 0).all()
done = clients.dropna()
took = (done["end_time"] - done["start_time"]).dt.total_seconds()
assert (took > 0).all()
steps = hw.groupby("client_id")["time"].diff().dt.total_seconds().fillna(0)
energy = (hw["power_consumption"] * steps).groupby(hw["client_id"]).sum()
print(energy.to_frame("energy").join(info).to_string())
)");
  const Output output = run_python(folder_, script + " " + run + "/colext");
  EXPECT_EQ(output.status, 0) << output.out;
  EXPECT_THAT(output.out, HasSubstr("jetson-nano"));
}

}  // namespace
}  // namespace convoy
