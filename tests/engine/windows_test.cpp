// Tests windows of kept members: against FedRolex's published code, HeteroFL's numbers of
// parameters, and the promises of every window.

#include "engine/model/windows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/model/builder.hpp"
#include "engine/model/trace.hpp"

namespace convoy::engine {
namespace {

using testing::ElementsAre;
using Json = nlohmann::json;

// Nothing if the folder does not exist.
Json reference_windows(const std::string& name) {
  const std::filesystem::path file =
      std::filesystem::path(CONVOY_SOURCE) / "../shared/data/references" / name;
  if (!std::filesystem::exists(file)) return {};
  std::ifstream in(file);
  return Json::parse(in);
}

// An architecture with one block per group, of these sizes.
Architecture of_groups(const std::vector<int>& sizes) {
  Architecture a;
  a.blocks.resize(1);
  for (const int n : sizes) a.groups.push_back({.name = "g", .size = n});
  return a;
}

Submodel all_of(const Architecture& a) {
  Submodel submodel{.depth = 1};
  for (const Group& g : a.groups) {
    submodel.kept.emplace_back(static_cast<std::size_t>(g.size));
    std::iota(submodel.kept.back().begin(), submodel.kept.back().end(), 0);
  }
  return submodel;
}

Submodel first_of(const Architecture& a, double share) {
  Submodel submodel = all_of(a);
  for (auto& kept : submodel.kept) {
    const double wanted = std::round(static_cast<double>(kept.size()) * share);
    kept.resize(std::max<std::size_t>(1, static_cast<std::size_t>(wanted)));
  }
  return submodel;
}

TEST(Windows, RollBackwardByOneARound) {
  const Architecture a = of_groups({4, 6});
  const Submodel half{.depth = 1, .kept = {{0, 1}, {0, 1, 2}}};
  EXPECT_EQ(rolling_submodel(a, half, 0).kept, half.kept);
  EXPECT_THAT(rolling_submodel(a, half, 1).kept,
              ElementsAre(ElementsAre(0, 3), ElementsAre(0, 1, 5)));
  EXPECT_THAT(rolling_submodel(a, half, 3).kept,
              ElementsAre(ElementsAre(1, 2), ElementsAre(3, 4, 5)));
  EXPECT_EQ(rolling_submodel(a, half, 12).kept, half.kept);
  EXPECT_EQ(rolling_submodel(a, half, 12'000'000'000'001).kept, rolling_submodel(a, half, 1).kept);
}

TEST(Windows, RollAsTheAuthorsCodeDoes) {
  const Json table = reference_windows("fedrolex_windows.json");
  if (table.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  int compared = 0;
  for (const Json& v : table["vectors"]) {
    auto wanted = v["kept"].get<std::vector<int>>();
    const Architecture a = of_groups({v["n"].get<int>()});
    Submodel window = all_of(a);
    window.kept[0].resize(wanted.size());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(rolling_submodel(a, window, v["round"].get<std::int64_t>()).kept[0], wanted) << v;
    ++compared;
  }
  EXPECT_GT(compared, 20);
}

TEST(Windows, BeginWhereTheNodesPlaceIs) {
  const Architecture a = of_groups({10, 3});
  const Submodel part{.depth = 1, .kept = {{0, 1, 2, 3}, {0}}};
  EXPECT_EQ(staggered_submodel(a, part, 0).kept, part.kept);
  // int(1 x 10 / 4) = 2, int(3 / 4) = 0.
  EXPECT_THAT(staggered_submodel(a, part, 0.25).kept,
              ElementsAre(ElementsAre(2, 3, 4, 5), ElementsAre(0)));
  EXPECT_THAT(staggered_submodel(a, part, 0.75).kept,
              ElementsAre(ElementsAre(0, 7, 8, 9), ElementsAre(2)));
}

TEST(Windows, BeginAtWholeNumbersWhateverTheLastBit) {
  for (int clients = 1; clients < 60; ++clients) {
    for (int i = 0; i < clients; ++i) {
      for (const int n : {1, 3, 7, 12, 49, 64, 768, 3072}) {
        const Architecture a = of_groups({n});
        const double place = static_cast<double>(i) / clients;
        const auto kept = staggered_submodel(a, {.depth = 1, .kept = {{0}}}, place).kept;
        ASSERT_THAT(kept, ElementsAre(ElementsAre(i * n / clients))) << i << "/" << clients;
      }
    }
  }
}

// Rising, without duplicates, in range, and the same number of members; otherwise readers would
// refuse it.
TEST(Windows, KeepSizesAndOrder) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(1, 50);
    const Architecture a = of_groups({n, 1});
    const Submodel nested = first_of(a, *rc::gen::inRange(1, 101) / 100.0);
    const auto round = *rc::gen::inRange<std::int64_t>(0, 1000);
    const double place = *rc::gen::inRange(0, 1000) / 1000.0;
    for (const Submodel& s :
         {rolling_submodel(a, nested, round), staggered_submodel(a, nested, place)}) {
      RC_ASSERT(s.depth == nested.depth);
      RC_ASSERT(sizes_of(s) == sizes_of(nested));
      for (std::size_t g = 0; g < 2; ++g) {
        const std::vector<int>& kept = s.kept[g];
        RC_ASSERT(std::adjacent_find(kept.begin(), kept.end(), std::greater_equal<>()) ==
                  kept.end());
        RC_ASSERT(kept.front() >= 0);
        RC_ASSERT(kept.back() < a.groups[g].size);
      }
    }
  }));
}

TEST(Windows, RollOverEveryMemberEquallyOften) {
  for (const int n : {1, 2, 5, 12, 13}) {
    const Architecture a = of_groups({n});
    for (const double rate : {0.01, 0.25, 0.5, 0.9, 1.0}) {
      const Submodel nested = first_of(a, rate);
      std::vector<int> times(static_cast<std::size_t>(n));
      for (int round = 7; round < 7 + n; ++round) {
        const Submodel window = rolling_submodel(a, nested, round);
        for (const int k : window.kept[0]) ++times[static_cast<std::size_t>(k)];
      }
      EXPECT_THAT(times, testing::Each(nested.members(0))) << n << " at " << rate;
    }
  }
}

TEST(Windows, StaggeredCoverEveryMember) {
  for (const int n : {1, 7, 12, 64, 100}) {
    const Architecture a = of_groups({n});
    for (const int clients : {1, 2, 3, 8, 20}) {
      Submodel window = all_of(a);
      window.kept[0].resize(static_cast<std::size_t>((n + clients - 1) / clients));
      std::vector<Submodel> all;
      for (int i = 0; i < clients; ++i) {
        all.push_back(staggered_submodel(a, window, static_cast<double>(i) / clients));
      }
      EXPECT_EQ(union_of(a, all).kept, all_of(a).kept) << n << " by " << clients;
    }
  }
}

// Costs, bytes and memory depend on sizes only: for real architectures, deep and shallow.
TEST(Windows, CostWhatNestedOnesCost) {
  for (const char* name : {"mlp", "cnn-small", "vit-micro", "resnet18"}) {
    ModelOptions model;
    model.architecture = name;
    const Architecture a = make_architecture(model);
    for (const bool all_blocks : {false, true}) {
      const Submodel nested = nested_submodel(a, 0.5, all_blocks);
      EXPECT_EQ(nested.depth == a.depth(), all_blocks) << name;
      const double parameters = trace(a, nested).parameters();
      EXPECT_EQ(trace(a, rolling_submodel(a, nested, 5)).parameters(), parameters) << name;
      EXPECT_EQ(trace(a, staggered_submodel(a, nested, 0.4)).parameters(), parameters) << name;
      EXPECT_NE(rolling_submodel(a, nested, 5).kept, nested.kept) << name;
    }
  }
}

// HeteroFL's network for MNIST as one block: four 3 x 3 convolutions with norms.
Architecture heterofl_conv(const std::vector<int>& hidden) {
  Architecture a;
  a.name = "heterofl-conv";
  a.classes = 10;
  a.channels = 1;
  a.height = a.width = 28;
  a.stem.name = "stem";
  BlockBuilder b("block0");
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    const std::string number = std::to_string(i);
    const int group = add_group(a, "channels" + number, GroupKind::channel, 0, hidden[i]);
    b.conv("conv" + number, hidden[i], 3, 1, true, group);
    b.plain(LayerKind::batch_norm, "norm" + number);
    b.plain(LayerKind::relu, "relu" + number);
    if (i + 1 < hidden.size()) b.max_pool("pool" + number, 2, 2, 0);
  }
  a.blocks.push_back(b.done());
  add_exits(a, {1.0}, [&](BlockBuilder& head, int) { add_pooled_head(head, a.classes); });
  return a;
}

TEST(HeteroFL, SubmodelsHaveTheNumbersOfParametersThatItPrints) {
  const Json table = reference_windows("heterofl_conv_parameter_counts.json");
  if (table.is_null()) GTEST_SKIP() << "shared/data/references is not there";
  const Architecture a = heterofl_conv(table["hidden"].get<std::vector<int>>());
  int compared = 0;
  for (const auto& [rate, count] : table["rates"].items()) {
    EXPECT_EQ(trace(a, nested_submodel(a, std::stod(rate))).parameters(), count.get<double>())
        << rate;
    ++compared;
  }
  EXPECT_EQ(compared, 5);
}

TEST(HeteroFL, SubmodelsLieWithinEachOther) {
  ModelOptions model;
  model.architecture = "resnet18";
  const Architecture a = make_architecture(model);
  const std::vector<double> rates = {0.0625, 0.125, 0.25, 0.5, 1};
  for (std::size_t i = 1; i < rates.size(); ++i) {
    const Submodel inner = nested_submodel(a, rates[i - 1], true);
    const Submodel outer = nested_submodel(a, rates[i], true);
    EXPECT_EQ(union_of(a, {inner, outer}).kept, outer.kept) << rates[i];
  }
}

}  // namespace
}  // namespace convoy::engine
