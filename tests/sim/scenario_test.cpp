// Tests reading scenarios: the broken ones in tests/broken, overrides, resolved values.

#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>
#include <sstream>

#include "sim/scenario/sweep.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

const std::filesystem::path root = CONVOY_SOURCE;

std::vector<std::filesystem::path> toml_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(BrokenScenarios, EachIsRefusedWithItsExpectedMessages) {
  const auto files = toml_files(root / "tests" / "broken");
  EXPECT_GE(files.size(), 50);
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename().string());
    base::Diagnostics problems;
    EXPECT_FALSE(read_scenario(file.string(), {}, problems).has_value());
    std::istringstream lines(test::read_file(file));
    int expected = 0;
    const std::string prefix = "# expect: ";
    for (std::string line; std::getline(lines, line) && line.starts_with(prefix); ++expected) {
      EXPECT_NE(problems.str().find(line.substr(prefix.size())), std::string::npos)
          << "expected: " << line.substr(prefix.size()) << "\ngot:\n"
          << problems.str();
    }
    EXPECT_GT(expected, 0);
    // Every message gives the place: file:line:column, or the unreadable file.
    for (const base::Diagnostic& d : problems.all()) {
      EXPECT_NE(d.where.str().find(".toml"), std::string::npos) << d.str();
    }
  }
}

TEST(Scenarios, ThoseThatComeWithConvoyAreValid) {
  for (const auto& file : toml_files(root / "scenarios")) {
    base::Diagnostics problems;
    EXPECT_TRUE(read_scenario(file.string(), {}, problems).has_value()) << problems.str();
  }
}

// Those that learn CIFAR-10 read drawn digits here.
TEST(Scenarios, ThoseOfTheHeadlineAreValid) {
  const auto files = toml_files(root / "scenarios" / "headline");
  EXPECT_GE(files.size(), 10);
  for (const auto& file : files) {
    if (file.filename() == "schedules.toml") continue;  // settings, no scenario
    base::Diagnostics problems;
    const auto sweep = Sweep::read(file.string(), {{"data.source", "\"glyphs\""}}, problems);
    EXPECT_TRUE(sweep.has_value()) << problems.str();
  }
}

TEST(Scenarios, ThoseOfEdgeSplitAndOfPipelinesAreValid) {
  for (const auto& [folder, least] : {std::pair("edgesplit", 3U), std::pair("asteroid", 1U)}) {
    const auto files = toml_files(root / "scenarios" / folder);
    EXPECT_GE(files.size(), least);
    for (const auto& file : files) {
      base::Diagnostics problems;
      EXPECT_TRUE(read_scenario(file.string(), {}, problems).has_value()) << problems.str();
    }
  }
}

// Every section at once.
constexpr const char* every_section = R"(
name = "cos2p-16"
seed = 7
[fleet]
server = { link = "gigabit" }
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
mode = "30W"
count = 2
link = "wifi6"
backend = "sim"
[model]
architecture = "vit-b16"
classes = 30
[data]
source = "glyphs"
partition = { kind = "dirichlet", alpha = 1.5 }
[training]
learn = true
optimizer = { kind = "adan", learning_rate = 2.5e-4, weight_decay = 0.05 }
local_epochs = 5
batch = 32
[schedule]
kind = "cos2p"
[schedule.cos2p]
quorum = 0.5
max_staleness = 10
[stop]
rounds = 300
accuracy = 0.9
virtual_time_s = 1e6
[sweep]
"schedule.kind" = ["fedavg", "cos2p"]
"fleet.nodes.0.count" = [1, 2, 4]
)";

TEST(Scenarios, EverySectionIsRead) {
  const Scenario s = test::read_or_fail(every_section);
  EXPECT_EQ(s.world.nodes.size(), 3);
  EXPECT_EQ(s.identities[1].mode, "30W");
  EXPECT_EQ(s.world.nodes[2].name.of(2), "jetson-agx-orin-64gb-1");
  EXPECT_EQ(s.schedule.kind, "cos2p");
  EXPECT_EQ(s.setting->optimizer, engine::Optimizer::adan);
  EXPECT_EQ(s.setting->local_epochs, 5);
  EXPECT_TRUE(s.training.learn);
  EXPECT_TRUE(s.has_sweep);
  EXPECT_EQ(s.data.classes, 30);
  EXPECT_EQ(s.setting->architecture->height, 224);  // 28 is no multiple of the patch of 16: resized
  EXPECT_EQ(s.setting->architecture->channels, 1);
  require_runnable(s);
}

// What a split task computes at the server is not done for devices.
TEST(Scenarios, SplitTasksOfRealNodesAreRefusedBeforeTheRun) {
  const std::string text = R"(
[fleet]
[[fleet.nodes]]
name = "far"
device = "jetson-orin-nano-8gb"
backend = "hil"
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
[model]
architecture = "cnn-small"
exits = [1.0]
[data]
samples = 100
[training]
learn = true
[stop]
rounds = 2
)";
  const auto read = [&](const std::string& kind, const std::string& backend) {
    base::Diagnostics problems;
    auto s = read_scenario_text(
        text, "t.toml", {{"schedule.kind", kind}, {"fleet.nodes.0.backend", backend}}, problems);
    EXPECT_TRUE(s) << problems.str();
    return *std::move(s);
  };
  for (const std::string kind : {"fedavg", "splitfed", "splitlearning", "edgesplit"}) {
    require_runnable(read(kind, "hil"));
    require_runnable(read(kind, "sim"));
  }
  for (const auto& [version, why] :
       {std::pair("v2", "node far: splitfed splits the model between nodes in a way"),
        std::pair("v3", "schedule.splitfed.version: in v3 each device keeps")}) {
    const std::string split = fmt::format(
        "[schedule]\nkind = \"splitfed\"\n[schedule.splitfed]\nversion = \"{}\"\n", version);
    base::Diagnostics problems;
    const auto s =
        read_scenario_text(text + split, "t.toml", {{"fleet.nodes.0.backend", "hil"}}, problems);
    ASSERT_TRUE(s) << problems.str();
    try {
      require_runnable(*s);
      ADD_FAILURE() << version;
    } catch (const base::UserError& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr(why));
    }
  }
}

TEST(Scenarios, AFleetOfTheCatalogueCanBeChangedByOverrides) {
  const std::string text = "[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n";
  base::Diagnostics problems;
  const auto s = read_scenario_text(
      text, "t.toml",
      {{"fleet.nodes.0.count", "5"}, {"fleet.nodes.3.link", "lte"}, {"schedule.kind", "cos2p"}},
      problems);
  ASSERT_TRUE(s) << problems.str();
  EXPECT_EQ(s->world.nodes.size(), 1 + 5 + 4 + 4 + 3 + 3);
  EXPECT_EQ(s->identities[1 + 5 + 4 + 4].link, "lte");
  EXPECT_EQ(s->schedule.kind, "cos2p");
  const auto other = read_scenario_text(text, "t.toml", {{"fleet.use", "colext14"}}, problems);
  ASSERT_TRUE(other) << problems.str();
  EXPECT_EQ(other->world.nodes.size(), 15);
}

TEST(Scenarios, AnOverrideIsCheckedAsTheFileIs) {
  const std::string text = "[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n";
  base::Diagnostics problems;
  EXPECT_FALSE(read_scenario_text(
      text, "t.toml",
      {{"training.batch", "0"}, {"schedule.knid", "fedavg"}, {"fleet.nodes.9.count", "1"}},
      problems));
  EXPECT_NE(problems.str().find("--set training.batch=0: error: training.batch: expected"),
            std::string::npos)
      << problems.str();
  EXPECT_NE(problems.str().find("unknown key \"knid\" in [schedule]; did you mean \"kind\"?"),
            std::string::npos)
      << problems.str();
  EXPECT_NE(problems.str().find("--set fleet.nodes.9.count=1: error: \"9\" is no index here"),
            std::string::npos)
      << problems.str();
}

TEST(Scenarios, TheHashNamesWhatDeterminesTheRun) {
  const std::string text = "[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n";
  base::Diagnostics problems;
  const auto hash = [&](std::vector<Override> overrides) {
    const auto s = read_scenario_text(text, "t.toml", overrides, problems);
    return s ? s->hash : problems.str();
  };
  EXPECT_EQ(hash({}), hash({{"output.progress_s", "1"}}));
  EXPECT_NE(hash({}), hash({{"seed", "2"}}));
}

TEST(Scenarios, TheResolvedTextReadsBackAsTheSame) {
  const Scenario s = test::read_or_fail("[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n");
  EXPECT_EQ(test::read_or_fail(s.resolved).hash, s.hash);
}

TEST(Scenarios, BatchesAndRatesGoByMemoryClass) {
  const Scenario s = test::read_or_fail(
      "[fleet]\nuse = \"colext14\"\n[training]\nbatch = { 64gb = 128, 16gb = 32, 8gb = 16 }\n"
      "[stop]\nrounds = 1\n");
  EXPECT_EQ(s.setting->nodes[1].batch, 128);  // AGX Orin 64 GB
  EXPECT_EQ(s.setting->nodes[3].batch, 16);   // Orin Nano 8 GB
  EXPECT_EQ(s.setting->nodes[14].batch, 16);  // Nano, 4 GB: below the smallest class
}

TEST(Scenarios, NodesShareTheData) {
  const Scenario s = test::read_or_fail(
      "[fleet]\nuse = \"jetson16\"\n[data]\nsamples = 16000\nlocal_test_share = 0.2\n"
      "[stop]\nrounds = 1\n");
  for (std::size_t i = 1; i < s.setting->nodes.size(); ++i) {
    EXPECT_EQ(s.setting->nodes[i].samples, 800);
  }
}

// Different spellings of a number are the same scenario; other numbers are not.
TEST(Scenarios, SpellingsOfANumberAreOneScenario) {
  const auto hash = [](const std::string& seed, const std::string& rate, const std::string& exits) {
    return test::read_or_fail(
               "seed = " + seed +
               "\n[fleet]\nuse = \"jetson16\"\n[model]\narchitecture = "
               "\"cnn-small\"\nexits = " +
               exits + "\n[training]\noptimizer = { kind = \"sgd\", learning_rate = " + rate +
               " }\n[stop]\nrounds = 1\n")
        .hash;
  };
  const std::string one = hash("5", "1", "[1.0]");
  EXPECT_EQ(hash("5.0", "1", "[1.0]"), one);
  EXPECT_EQ(hash("5e0", "1.0", "[1]"), one);
  EXPECT_EQ(hash("0x5", "1e0", "[1.00]"), one);
  EXPECT_NE(hash("6", "1", "[1.0]"), one);
  EXPECT_NE(hash("5", "1.0000000000000002", "[1.0]"), one);
  // Except for the key where 1 is a number of nodes and 1.0 means all nodes.
  const auto some = [](const std::string& participants) {
    return test::read_or_fail(
               "[fleet]\nuse = \"jetson16\"\n[schedule]\nkind = \"fedavg\"\n"
               "fedavg.participants = " +
               participants + "\n[stop]\nrounds = 1\n")
        .hash;
  };
  EXPECT_NE(some("1"), some("1.0"));
}

TEST(Scenarios, TheOddSampleIsForTheTests) {
  // 100 or 101 samples each; 80 or 80.8 of them would be for training.
  const Scenario s = test::read_or_fail(
      "[fleet]\nuse = \"jetson16\"\n[data]\nsamples = 1610\nlocal_test_share = 0.2\n"
      "[stop]\nrounds = 1\n");
  for (std::size_t i = 1; i < s.setting->nodes.size(); ++i) {
    EXPECT_EQ(s.setting->nodes[i].samples, 80);
  }
}

TEST(Scenarios, SweepsOverFleetsAndPairedAxesAreTriedPointByPoint) {
  const std::string base = "[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n[sweep]\n";
  base::Diagnostics problems;
  EXPECT_TRUE(read_scenario_text(base + "\"fleet.use\" = [\"jetson16\", \"colext14\"]\n", "t.toml",
                                 {}, problems))
      << problems.str();
  // The base's image model has no sequence, but the pair of a text model and its sequence is valid.
  EXPECT_TRUE(read_scenario_text(base + "zip = [[\"model.architecture\", \"model.sequence\"]]\n"
                                        "\"model.architecture\" = [\"bert-small\", \"bert-base\"]\n"
                                        "\"model.sequence\" = [64, 128]\n",
                                 "t.toml", {}, problems))
      << problems.str();
  EXPECT_FALSE(read_scenario_text(base + "\"fleet.use\" = [\"jetson16\", \"jetson17\"]\n", "t.toml",
                                  {}, problems));
}

TEST(Scenarios, AWholeFleetCanBeGivenByAnOverride) {
  base::Diagnostics problems;
  const auto s = read_scenario_text("[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n", "t.toml",
                                    {{"fleet", "{ use = \"colext14\" }"}}, problems);
  ASSERT_TRUE(s) << problems.str();
  EXPECT_EQ(s->world.nodes.size(), 15);
}

TEST(Scenarios, AWrongStopIsReportedOnce) {
  base::Diagnostics problems;
  EXPECT_FALSE(read_scenario_text("[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 0\n", "t.toml", {},
                                  problems));
  EXPECT_EQ(problems.errors(), 1) << problems.str();
}

TEST(Scenarios, ManyMistakesAreReportedFastAndNotAllShown) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "k" + std::to_string(i) + " = 1\n";
  base::Diagnostics problems;
  EXPECT_FALSE(read_scenario_text(text, "t.toml", {}, problems));
  EXPECT_GT(problems.errors(), 50);
  const std::string shown = problems.str();
  EXPECT_LT(std::count(shown.begin(), shown.end(), '\n'), 110);
  EXPECT_NE(shown.find("and more unknown keys behind it"), std::string::npos);
}

TEST(Scenarios, AChangedDeviceFileIsAnotherRun) {
  const test::TemporaryFolder folder;
  std::string device = test::read_file(root / "platforms" / "devices" / "jetson-nano.toml");
  const std::string scenario = folder.write(
      "s.toml", "[fleet]\n[[fleet.nodes]]\ndevice = \"mine.toml\"\n[stop]\nrounds = 1\n");
  base::Diagnostics problems;
  folder.write("mine.toml", device);
  const auto before = read_scenario(scenario, {}, problems);
  device.replace(device.find("value = "), 8, "value = 1");
  folder.write("mine.toml", device);
  const auto after = read_scenario(scenario, {}, problems);
  ASSERT_TRUE(before && after) << problems.str();
  EXPECT_NE(before->hash, after->hash);
}

// --- keys of schedules --------------------------------------------------------------------------

struct Reading {
  std::optional<Scenario> scenario;
  std::string said;
};

Reading read_with(const std::string& schedule, const std::vector<Override>& overrides = {}) {
  base::Diagnostics problems;
  auto scenario =
      read_scenario_text("[fleet]\nuse = \"jetson16\"\n[stop]\nrounds = 1\n[schedule]\n" + schedule,
                         "t.toml", overrides, problems);
  return {std::move(scenario), problems.str()};
}

using testing::HasSubstr;
using testing::Not;

TEST(ScheduleKeys, OfAnotherKindAreCheckedAndLeftAlone) {
  const Reading other = read_with("kind = \"fedavg\"\n[schedule.cos2p]\nquorum = 0.5\n");
  EXPECT_TRUE(other.scenario);
  EXPECT_EQ(other.said,
            "t.toml:8:1: warning: schedule.cos2p.quorum: is not used: the file's kind is fedavg\n");
  EXPECT_FALSE(read_with("kind = \"fedavg\"\n[schedule.cos2p]\nquorum = 5\n").scenario);
}

TEST(ScheduleKeys, InTheOldPlaceAreReadAsInTheNew) {
  const Reading flat = read_with("kind = \"cos2p\"\nquorum = 0.25\nmax_staleness = 3\n");
  const Reading now =
      read_with("kind = \"cos2p\"\n[schedule.cos2p]\nquorum = 0.25\nmax_staleness = 3\n");
  ASSERT_TRUE(flat.scenario && now.scenario) << flat.said << now.said;
  EXPECT_EQ(now.said, "");
  EXPECT_EQ(flat.scenario->hash, now.scenario->hash);
  EXPECT_THAT(flat.said, HasSubstr("t.toml:7:1: warning: schedule.quorum: stands in "
                                   "[schedule.cos2p] now: schedule.cos2p.quorum\n"));
}

TEST(ScheduleKeys, AnOverrideTakesEitherSpelling) {
  const Reading both =
      read_with("kind = \"cos2p\"\nquorum = 0.25\n", {{"schedule.cos2p.quorum", "1"}});
  const Reading flat =
      read_with("kind = \"cos2p\"\n[schedule.cos2p]\nquorum = 0.25\n", {{"schedule.quorum", "1"}});
  const Reading whole = read_with("", {{"schedule", "{ kind = \"cos2p\", quorum = 1 }"}});
  ASSERT_TRUE(both.scenario && flat.scenario && whole.scenario) << both.said << flat.said;
  EXPECT_EQ(both.scenario->hash, flat.scenario->hash);
  EXPECT_EQ(whole.scenario->hash, flat.scenario->hash);
  EXPECT_THAT(flat.said, HasSubstr("--set schedule.quorum=1: warning: schedule.quorum: stands in"));
}

TEST(ScheduleKeys, ThatNoKindUsesAreNamed) {
  EXPECT_THAT(
      read_with("kind = \"cos2p\"\nparticipants = 2\n").said,
      HasSubstr("t.toml:7:1: warning: schedule.fedavg.participants: is not used: the file's "
                "kind is cos2p\n"));
  const std::string carries = "kind = \"cos2p\"\n[schedule.cos2p]\nquorum = 0.5\n";
  EXPECT_EQ(read_with(carries, {{"schedule.kind", "fedavg"}}).said, "");
  EXPECT_EQ(
      read_with(carries, {{"schedule.kind", "fedavg"}, {"schedule.fedavg.participants", "2"}}).said,
      "");
  EXPECT_THAT(read_with(carries, {{"schedule.fedavg.participants", "2"}}).said,
              HasSubstr("--set schedule.fedavg.participants=2: warning: "));
}

TEST(ScheduleKeys, OfAllKindsOfASweepAreUsed) {
  const std::string own = "kind = \"fedavg\"\n[schedule.cos2p]\nquorum = 0.5\n[sweep]\n";
  EXPECT_EQ(read_with(own + "\"schedule.kind\" = [\"fedavg\", \"cos2p\"]\n").said, "");
  EXPECT_EQ(read_with(own + "cases = [{ \"schedule.kind\" = \"cos2p\" }]\n").said, "");
  EXPECT_EQ(read_with(own + "\"schedule\" = [{ kind = \"cos2p\", unfit = \"skip\" }]\n").said, "");
  // An axis of a key that no kind of the sweep uses; the warning names each axis once.
  const Reading none = read_with(
      "kind = \"fedavg\"\n[sweep]\n\"schedule.cos2p.quorum\" = [0.1, 0.2]\n\"schedule.deadline_s\" "
      "= "
      "[1, 2]\n");
  EXPECT_TRUE(none.scenario);
  EXPECT_EQ(none.said,
            "t.toml:8:28: warning: sweep.\"schedule.cos2p.quorum\": schedule.cos2p.quorum: is not "
            "used: the file's kind is fedavg\n"
            "t.toml:9:26: warning: sweep.\"schedule.deadline_s\": schedule.deadline_s: stands in "
            "[schedule.fedavg] now: schedule.fedavg.deadline_s\n");
}

TEST(ScheduleKeys, TheTwoSpellingsAreOneAxis) {
  EXPECT_THAT(read_with("kind = \"cos2p\"\n[sweep]\n\"schedule.quorum\" = [0.1, "
                        "0.2]\n\"schedule.cos2p.quorum\" = [0.1]\n")
                  .said,
              HasSubstr("is changed by two axes"));
}

// However unequal the parts are, every node that takes part has something to train on.
TEST(Division, LeavesNobodyWithoutData) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  int topped_up = 0;
  for (int trial = 0; trial < 20; ++trial) {
    const int nodes = 1 + static_cast<int>(random() % 100);
    const int samples = nodes + static_cast<int>(random() % 500);
    const bool learns = random() % 2 == 0;
    const std::string text = fmt::format(
        "seed = {}\n[[fleet.nodes]]\nname = \"n\"\ndevice = \"jetson-agx-orin-64gb\"\ncount = {}\n"
        "[model]\narchitecture = \"mlp\"\n[data]\nsource = \"glyphs\"\nsamples = {}\n"
        "test_samples = 10\nlocal_test_share = {}\n"
        "partition = {{ kind = \"{}\", alpha = {} }}\n[training]\nlearn = {}\n[stop]\nrounds = 1\n",
        random() % 1000, nodes, samples, static_cast<double>(random() % 99) / 100,
        random() % 2 == 0 ? "dirichlet" : "sizes",
        std::pow(10.0, -2 + static_cast<double>(random() % 30) / 10), learns);
    base::Diagnostics problems;
    const auto scenario = read_scenario_text(text, "t.toml", {}, problems);
    ASSERT_TRUE(scenario) << problems.str() << text;
    for (std::size_t i = 1; i < scenario->setting->nodes.size(); ++i) {
      EXPECT_GE(scenario->setting->nodes[i].samples, 1) << text;
      EXPECT_EQ(static_cast<std::int64_t>(scenario->parts[i].train.size()),
                scenario->setting->nodes[i].samples);
    }
    topped_up += problems.str().find("were given") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(topped_up, 0);
}

TEST(Scenarios, WholeNumbersMayBeWrittenWithAPoint) {
  const auto read = [](const std::string& count, const std::string& participants) {
    base::Diagnostics problems;
    const auto scenario = read_scenario_text(
        fmt::format("[[fleet.nodes]]\ndevice = \"jetson-nano\"\ncount = {}\n[model]\n"
                    "architecture = \"mlp\"\n[schedule]\nkind = \"fedavg\"\n"
                    "fedavg.participants = {}\n[stop]\nrounds = 2.0\n",
                    count, participants),
        "t.toml", {}, problems);
    return scenario ? static_cast<int>(scenario->world.nodes.size()) - 1 : 0;
  };
  EXPECT_EQ(read("2.0", "2"), 2);
  EXPECT_EQ(read("3", "2.0"), 3);
  EXPECT_EQ(read("3", "1.0"), 3);
  EXPECT_EQ(read("3", "1.5"), 0);
  EXPECT_EQ(read("2.5", "1"), 0);
}

}  // namespace
}  // namespace convoy::sim
