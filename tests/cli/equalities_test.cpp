// Schedules that come to the same where they must: whole runs that learn, by the command line.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/files.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy {
namespace {

using nlohmann::json;

// Four equal nodes with as many steps each: their updates come at the same instant.
constexpr const char* equal_nodes = R"(
name = "equal"
seed = 5
[fleet]
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 4
[model]
architecture = "mlp"
[data]
source = "glyphs"
samples = 96
test_samples = 20
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.05 }
local_steps = 3
batch = 8
[stop]
rounds = 3
)";

// FedAvg weights by samples, of which nodes have 18 to 20 here; the others count updates alike.
constexpr const char* counting_alike =
    "--set schedule.kind=fedavg --set 'schedule.aggregation={rule=\"holders\"}'";

class Equalities : public testing::Test {
 protected:
  // The model that a run ends with; its figures in `figures`.
  std::string model(const std::string& name, const std::string& sets) {
    const std::string store = (folder_.path() / name).string();
    const test::Output output =
        test::convoy("run " + scenario_ + " --json --quiet -o " + store + " " + sets);
    EXPECT_EQ(output.status, 0) << output.err;
    figures[name] = json::parse(output.out);
    return test::read_file(store + "/model.safetensors");
  }
  std::vector<std::string> tasks(const std::string& name) const {
    return test::query_store(folder_.path() / name,
                             "SELECT id, node, base_version, ended_s, "
                             "aggregated_version, staleness, loss FROM task ORDER BY id");
  }

  std::map<std::string, json> figures;

 private:
  test::TemporaryFolder folder_;
  std::string scenario_ = folder_.write("equal.toml", equal_nodes);
};

// With a buffer of the whole fleet, and weights that are 1 for a fresh update.
TEST_F(Equalities, FedBuffOfTheWholeFleetIsFedAvg) {
  const std::string fedavg = model("fedavg", counting_alike);
  const std::string fedbuff =
      model("fedbuff",
            "--set schedule.kind=fedbuff --set schedule.fedbuff.buffer=4 --set "
            "'schedule.aggregation={rule=\"fedbuff\",average_staleness=0}'");
  EXPECT_TRUE(fedbuff == fedavg) << "to the bit";
  EXPECT_EQ(tasks("fedbuff"), tasks("fedavg"));
  EXPECT_EQ(figures["fedbuff"]["staleness"]["max"], 0);
}

// FLSim's normalisation makes that sqrt(2) times as much a step: the server's rate takes it back,
// to the rounding of that factor.
TEST_F(Equalities, FedBuffsNormalisationIsAServerRate) {
  model("fedavg", counting_alike);
  model("fedbuff",
        "--set schedule.kind=fedbuff --set schedule.fedbuff.buffer=4 --set "
        "'schedule.aggregation={rule=\"fedbuff\",learning_rate=0.70710678118654752}'");
  const std::vector<std::string> one = tasks("fedavg");
  ASSERT_EQ(tasks("fedbuff").size(), one.size());
  EXPECT_NEAR(figures["fedbuff"]["virtual_time_s"].get<double>(),
              figures["fedavg"]["virtual_time_s"].get<double>(), 1e-9);
  EXPECT_NEAR(figures["fedbuff"]["accuracy"].get<double>(),
              figures["fedavg"]["accuracy"].get<double>(), 0.051)
      << "one of 20 may tip over";
}

// A cache of the whole fleet, everybody at work, all of alpha, nothing pulled or compressed.
TEST_F(Equalities, TeasqOfTheWholeFleetIsFedAvg) {
  const std::string fedavg = model("fedavg", counting_alike);
  const std::string teasq = model("teasq",
                                  "--set schedule.kind=teasq --set schedule.teasq.cache=1.0 --set "
                                  "schedule.teasq.at_work=1.0 --set schedule.teasq.mu=0 --set "
                                  "'schedule.aggregation={rule=\"teasq\",alpha=1}'");
  EXPECT_EQ(tasks("teasq"), tasks("fedavg"));
  EXPECT_TRUE(teasq == fedavg) << "to the bit";
}

}  // namespace
}  // namespace convoy
