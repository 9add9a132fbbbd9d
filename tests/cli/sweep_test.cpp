// Tests convoy sweep as its user sees it: its runs, its files, and how it continues.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"

namespace convoy {
namespace {

using test::Output;
using testing::HasSubstr;
using testing::Not;

constexpr const char* head = R"(
name = "tries"
seed = 5
[fleet]
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 4
jitter = 0.2
[model]
architecture = "mlp"
[schedule]
kind = "fedavg"
[stop]
rounds = 5
)";

class Sweeps : public testing::Test {
 protected:
  Output sweep(const std::string& text, const std::string& options = "") {
    return test::convoy(
        fmt::format("sweep {} -o {} {}", folder_.write("s.toml", head + text), in("out"), options));
  }
  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] std::string results(const std::string& name = "out") const {
    return test::read_file(in(name) + "/results.csv");
  }
  static int lines(const std::string& text) {
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  // The times at which each point's figures were written.
  [[nodiscard]] std::map<std::string, std::filesystem::file_time_type> written() const {
    std::map<std::string, std::filesystem::file_time_type> times;
    for (const auto& point : std::filesystem::directory_iterator(in("out") + "/points")) {
      const auto file = point.path() / "summary.json";
      if (std::filesystem::exists(file)) times[file] = std::filesystem::last_write_time(file);
    }
    return times;
  }
  test::TemporaryFolder folder_;
};

constexpr const char* twelve = R"(
[sweep]
"schedule.kind" = ["fedavg", "cos2p"]
"fleet.nodes.0.count" = [2, 4]
repetitions = 3
)";

TEST_F(Sweeps, AxesMultiplyAndSeedsAreSummedUp) {
  const Output out = sweep(twelve, "-j 2");
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_EQ(lines(results()), 13);
  EXPECT_THAT(results(), HasSubstr("point,hash,schedule.kind,fleet.nodes.0.count,seed,"));
  // One line per setting: the mean of three runs and their spread.
  EXPECT_THAT(out.out, HasSubstr("Of the runs of each setting: mean [least .. most]\n"));
  EXPECT_THAT(out.out, testing::ContainsRegex("cos2p +4 +3 .* \\[.* \\.\\. .*\\]"));
  EXPECT_THAT(out.out, Not(HasSubstr("seed")));
  EXPECT_THAT(out.err, HasSubstr("12 of 12 points"));
  EXPECT_TRUE(std::filesystem::exists(in("out") + "/sweep.json"));
}

TEST_F(Sweeps, HoweverManyAtATimeTheResultsAreTheSame) {
  ASSERT_EQ(sweep(twelve, "-j 1").status, 0);
  const std::string one = results();
  ASSERT_EQ(sweep(twelve, "-j 3 --overwrite").status, 0);
  EXPECT_EQ(results(), one);
}

TEST_F(Sweeps, AFinishedPointIsNotRunTwice) {
  ASSERT_EQ(sweep(twelve).status, 0);
  const auto before = written();
  ASSERT_EQ(before.size(), 12U);
  const Output again = sweep(twelve, "--resume");
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err, HasSubstr("12 of 12 points are finished already"));
  EXPECT_EQ(written(), before);
  // A larger sweep runs only the new points.
  const Output more = sweep(
      "[sweep]\n\"schedule.kind\" = [\"fedavg\", \"cos2p\"]\n\"fleet.nodes.0.count\" = [2, 4, "
      "6]\nrepetitions = 3\n");
  EXPECT_EQ(more.status, 0);
  EXPECT_THAT(more.err, HasSubstr("12 of 18 points are finished already"));
  const auto after = written();
  EXPECT_EQ(after.size(), 18U);
  for (const auto& [file, time] : before) EXPECT_EQ(after.at(file), time);
}

// Values that are taken out are said; another sweep is refused, and nothing is lost.
TEST_F(Sweeps, AFolderWithOtherSettingsIsSaidOrRefused) {
  ASSERT_EQ(sweep(twelve).status, 0);
  const auto before = written();
  const Output fewer = sweep(
      "[sweep]\n\"schedule.kind\" = [\"fedavg\", \"cos2p\"]\n\"fleet.nodes.0.count\" = "
      "[2]\nrepetitions = 3\n");
  EXPECT_EQ(fewer.status, 0) << fewer.err;
  EXPECT_THAT(fewer.err, HasSubstr("6 earlier finished points are not part of this sweep"));
  EXPECT_EQ(lines(results()), 7);
  ASSERT_EQ(sweep(twelve).status, 0);
  const std::string all = results();
  const Output other = sweep(twelve, "--set stop.rounds=3");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("holds 12 finished points of a sweep with other settings"));
  EXPECT_EQ(results(), all);
  EXPECT_EQ(written(), before);
  EXPECT_EQ(sweep(twelve, "--set stop.rounds=3 --overwrite").status, 0);
  EXPECT_NE(results(), all);
}

// Runs of a sweep's points are named by their settings, not by the hashes of their folders.
TEST_F(Sweeps, ARunOfAPointIsNamedByItsSettings) {
  ASSERT_EQ(sweep(twelve).status, 0);
  std::string runs;
  for (const auto& entry : std::filesystem::directory_iterator(in("out") + "/points")) {
    if (runs.size() < 400) runs += " " + entry.path().string();
  }
  const Output compared = test::convoy("compare" + runs + " --metrics time");
  ASSERT_EQ(compared.status, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("out: kind="));
  EXPECT_THAT(compared.out, Not(HasSubstr("points/")));
}

// A point with figures only is not finished if its run is wanted, too.
TEST_F(Sweeps, APointWithoutItsRunIsNotFinishedWhereRunsAreKept) {
  ASSERT_EQ(sweep(twelve, "--no-store").status, 0);
  EXPECT_THAT(sweep(twelve, "--no-store").err, HasSubstr("12 of 12 points are finished already"));
  const auto before = written();
  const Output with_runs = sweep(twelve);
  ASSERT_EQ(with_runs.status, 0) << with_runs.err;
  EXPECT_THAT(with_runs.err, Not(HasSubstr("finished already")));
  for (const auto& [file, time] : written()) {
    EXPECT_NE(time, before.at(file)) << file << " was not made anew";
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(file).parent_path() / "run.sqlite"));
  }
  // With its run, a point is finished for both.
  EXPECT_THAT(sweep(twelve, "--no-store").err, HasSubstr("12 of 12 points are finished already"));
}

// For three seeds `sweep` prints the same as `compare`.
TEST_F(Sweeps, TheTableHasTheMeansOfTheComparison) {
  const Output out = sweep(twelve);
  ASSERT_EQ(out.status, 0) << out.err;
  const Output compared = test::convoy("compare " + in("out"));
  ASSERT_EQ(compared.status, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("mean [least .. most]"));
  std::istringstream lines(out.out);
  int cells = 0;
  for (std::string line; std::getline(lines, line);) {
    // The first value with brackets of a line.
    const std::size_t end = line.find(']');
    if (!line.starts_with("  cos2p") || end == std::string::npos) continue;
    const std::size_t begin = line.rfind("  ", line.rfind('[', end) - 2) + 2;
    EXPECT_THAT(compared.out, HasSubstr(line.substr(begin, end + 1 - begin))) << line;
    ++cells;
  }
  EXPECT_GE(cells, 2) << out.out;
}

TEST_F(Sweeps, AFailedPointIsReportedAndDoesNotStopTheRest) {
  const Output out = sweep(R"(
[sweep]
"model.architecture" = ["mlp", "vit-b16"]
"schedule.unfit" = ["skip", "error"]
"training.batch" = [4, 2048]
)");
  EXPECT_EQ(out.status, 1);
  EXPECT_THAT(out.err, HasSubstr("model.architecture = vit-b16, schedule.unfit = error, "
                                 "training.batch = 2048) failed: "));
  EXPECT_THAT(out.err, HasSubstr("log.txt"));
  EXPECT_GE(lines(results()), 5);
  // The failed point runs again, the others do not.
  const auto before = written();
  EXPECT_EQ(sweep(R"(
[sweep]
"model.architecture" = ["mlp", "vit-b16"]
"schedule.unfit" = ["skip", "error"]
"training.batch" = [4, 2048]
)")
                .status,
            1);
  EXPECT_EQ(written(), before);
}

TEST_F(Sweeps, APointWhoseDataCannotBeDividedFailsAlone) {
  for (const char* learns : {"false", "true"}) {
    const Output out = sweep(fmt::format(R"(
[data]
source = "glyphs"
samples = 40
test_samples = 10
partition = {{ kind = "dirichlet", alpha = 0.1 }}
[training]
learn = {}
[sweep]
"data.partition.least" = [1, 200]
"stop.rounds" = [1, 2]
)",
                                         learns),
                             "--overwrite");
    EXPECT_EQ(out.status, 1) << learns;
    EXPECT_THAT(out.err, HasSubstr("point 2 (data.partition.least = 200, stop.rounds = 1) failed: "
                                   "data.partition.least: 200 samples for each of 4 nodes"));
    EXPECT_EQ(lines(results()), 3) << results();  // the heading and the points that were run
    EXPECT_EQ(written().size(), 2U) << "those that can be run were run";
  }
}

TEST_F(Sweeps, APointWhoseWorkMostlyFailsSaysSo) {
  folder_.write("t.csv", "time_s,memory_free_bytes\n0,1000\n");
  const std::string file = folder_.write("hopeless.toml", R"(
[[fleet.nodes]]
name = "n"
device = "jetson-nano"
trace = "t.csv"
[[fleet.nodes]]
name = "m"
device = "jetson-nano"
slowdown = 25
[model]
architecture = "mlp"
[stop]
rounds = 3
[sweep]
"training.batch" = [8, 16]
)");
  const Output out = test::convoy("sweep " + file + " -o " + in("hopeless"));
  ASSERT_EQ(out.status, 0) << out.err;
  for (const char* point : {"point 0 (training.batch = 8)", "point 1 (training.batch = 16)"}) {
    EXPECT_THAT(out.err,
                HasSubstr(std::string("warning: ") + point + ": 3 of 6 node updates failed"));
  }
  EXPECT_THAT(test::convoy("sweep " + file + " --quiet -o " + in("hopeless")).err,
              testing::Not(HasSubstr("updates failed")));
}

TEST_F(Sweeps, CasesAndPairsAreAxesToo) {
  const Output out = sweep(R"(
[sweep]
cases = [{ "schedule.kind" = "fedavg" }, { "schedule.kind" = "cos2p", "schedule.cos2p.quorum" = 0.3 }]
"training.batch" = [8, 16]
"fleet.nodes.0.slowdown" = [1, 2]
zip = [["training.batch", "fleet.nodes.0.slowdown"]]
)",
                           "--json --quiet");
  ASSERT_EQ(out.status, 0) << out.err;
  const auto json = nlohmann::json::parse(out.out);
  EXPECT_EQ(json["points"], 4);
  EXPECT_EQ(json["finished"], 4);
  EXPECT_EQ(json["results"][3]["settings"]["training.batch"], "16");
  EXPECT_EQ(json["results"][3]["settings"]["fleet.nodes.0.slowdown"], "2");
  EXPECT_EQ(json["results"][3]["settings"]["schedule.cos2p.quorum"], "0.3");
  EXPECT_EQ(json["results"][3]["summary"]["schedule"], "cos2p");
  EXPECT_EQ(json["results"][2]["settings"]["schedule.cos2p.quorum"], "")
      << "a case that does not set it";
}

TEST_F(Sweeps, MixesOfDevicesAreSwept) {
  std::string text = head;
  text.replace(text.find("[fleet]"), text.find("[model]") - text.find("[fleet]"),
               "[fleet.mix]\nnodes = 10\nshares = { jetson-nano = 1, jetson-orin-nano-8gb = 1 "
               "}\neach = { link = \"wifi5\" }\n");
  const std::string file =
      folder_.write("mix.toml", text + "[sweep]\n\"fleet.mix.shares.jetson-nano\" = [0, 1, 2]\n");
  const Output out = test::convoy("sweep " + file + " -o " + in("out"));
  ASSERT_EQ(out.status, 0) << out.err;
  // 0 of 10, 5 of 10, two thirds of 10 (6.67, rounded to 7).
  for (const auto& [share, nanos] : {std::pair{0, 0}, {1, 5}, {2, 7}}) {
    const Output run = test::convoy(fmt::format(
        "run {} --quiet --no-store --json --set fleet.mix.shares.jetson-nano={}", file, share));
    ASSERT_EQ(run.status, 0) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    int count = 0;
    for (const auto& [name, bytes] : json["peak_memory_bytes"].items()) {
      count += name.starts_with("jetson-nano-") ? 1 : 0;
    }
    EXPECT_EQ(json["peak_memory_bytes"].size(), 11U);  // with the server
    EXPECT_EQ(count, nanos);
  }
}

TEST_F(Sweeps, WhatIsWrongIsFoundBeforeAnythingRuns) {
  EXPECT_THAT(sweep("[sweep]\n\"training.batch\" = [8, -1]\n").err,
              HasSubstr("sweep.\"training.batch\""));
  EXPECT_THAT(sweep("[sweep]\nrepetitions = 0\n").err, HasSubstr("sweep.repetitions"));
  EXPECT_THAT(sweep("[sweep]\nseed = [1, 2]\nrepetitions = 2\n").err,
              HasSubstr("\"seed\" is changed by two axes"));
  EXPECT_THAT(sweep("[sweep]\n\"schedule.kind\" = [\"cos2p\"]\nzip = [[\"schedule.kind\", "
                    "\"sede\"]]\n")
                  .err,
              HasSubstr("\"sede\" is no axis"));
  EXPECT_THAT(sweep("[sweep]\n\"schedule\" = [{ kind = \"cos2p\" }]\n\"schedule.kind\" = "
                    "[\"fedavg\"]\n")
                  .err,
              HasSubstr("is changed by two axes"));
  EXPECT_THAT(sweep("[sweep]\ncases = [3]\n").err, HasSubstr("sweep.cases: expected"));
  // Checked before any of their values is tried.
  std::string values = "[1";
  for (int i = 2; i <= 1000; ++i) values += fmt::format(", {}", i);
  values += "]\n";
  for (const char* verb : {"sweep", "check"}) {
    const std::string file = folder_.write(
        "many.toml", std::string(head) + "[sweep]\nseed = " + values + "\"stop.rounds\" = " +
                         values + "\"stop.tasks\" = " + values + "\"training.batch\" = " + values);
    EXPECT_THAT(test::convoy(fmt::format("{} {}", verb, file)).err,
                HasSubstr("sweep: 1000000000000 points; at most 1000000"));
  }
  EXPECT_FALSE(std::filesystem::exists(in("out")));
  std::filesystem::create_directories(in("out"));
  std::ofstream(in("out") + "/thesis.tex") << "mine";
  const Output other = sweep(twelve, "--overwrite");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("is no sweep"));
  EXPECT_TRUE(std::filesystem::exists(in("out") + "/thesis.tex"));
}

// --- interrupted --------------------------------------------------------------------------------

constexpr const char* longer = R"(
[sweep]
"schedule.kind" = ["fedavg", "cos2p"]
"stop.rounds" = [150, 151, 152, 153, 154, 155, 156, 157]
repetitions = 3
)";

class InterruptedSweeps : public Sweeps {
 protected:
  void SetUp() override {
    file_ = folder_.write("long.toml", std::string(head) + longer);
    ASSERT_EQ(test::convoy("sweep " + file_ + " --quiet -o " + in("whole")).status, 0);
  }
  void interrupt(int signal, int status) {
    test::Program sweep(CONVOY_BINARY, {"sweep", file_, "-j", "2", "-o", in("out")}, in("log"));
    ASSERT_TRUE(test::eventually(
        [&] { return std::filesystem::exists(in("out") + "/points") && written().size() >= 5; }));
    sweep.signal(signal);
    EXPECT_EQ(sweep.wait(), status) << sweep.output();
  }
  void expect_rest_is_run() {
    const std::size_t before = written().size();
    const Output rest = test::convoy("sweep " + file_ + " -o " + in("out"));
    EXPECT_EQ(rest.status, 0) << rest.err;
    EXPECT_THAT(rest.err, HasSubstr(fmt::format("{} of 48 points are finished already", before)));
    EXPECT_EQ(results("out"), results("whole"));
  }
  std::string file_;
};

TEST_F(InterruptedSweeps, KilledAndRunAgainTheResultsAreThoseOfAWholeOne) {
  interrupt(SIGKILL, -SIGKILL);
  expect_rest_is_run();
}

TEST_F(InterruptedSweeps, StoppedByCtrlCTheyGoOn) {
  interrupt(SIGINT, 3);
  // Points that were cut off do not count as done.
  const std::string log = test::read_file(in("log"));
  const std::string last = log.substr(log.rfind("sweep: "));
  EXPECT_THAT(last, HasSubstr(fmt::format("sweep: {} of 48 points are done", written().size())));
  expect_rest_is_run();
}

TEST_F(InterruptedSweeps, RanksOfMpiShareThePoints) {
  if (std::system("mpirun --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no mpirun here";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers do not load a library that finds its own symbols first";
#endif
  const std::vector<std::string> arguments = {"--allow-run-as-root",
                                              "--oversubscribe",
                                              "-n",
                                              "3",
                                              CONVOY_BINARY,
                                              "sweep",
                                              file_,
                                              "--quiet",
                                              "-o",
                                              in("out")};
  {
    // One rank dies during the sweep.
    test::Program job("mpirun", arguments, in("log"));
    ASSERT_TRUE(test::eventually([&] {
      return std::filesystem::exists(in("out") + "/points") && written().size() >= 5;
    })) << job.output();
    std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", job.id()));
    std::vector<pid_t> ranks;
    for (pid_t id = 0; children >> id;) ranks.push_back(id);
    ASSERT_EQ(ranks.size(), 3U);
    ::kill(ranks.back(), SIGKILL);
    EXPECT_NE(job.wait(), 0) << "Open MPI ends the job";
  }
  test::Program again("mpirun", arguments, in("log"));
  EXPECT_EQ(again.wait(), 0) << again.output();
  EXPECT_EQ(results("out"), results("whole"));
}

}  // namespace
}  // namespace convoy
