// Tests where a model can be cut and what crosses a cut: small networks by hand, and all
// architectures against the definition.

#include "engine/model/stage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <set>
#include <stdexcept>

#include "base/diagnostics.hpp"
#include "engine/model/builder.hpp"
#include "tests/engine/traced_model.hpp"

namespace convoy::engine {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int side = 8;

// A network of a stem of 4 channels (tensor 1), this block and a pooled classifier.
Architecture around(Block block) {
  Architecture a;
  a.name = "hand-made";
  a.classes = 10;
  a.channels = 3;
  a.height = a.width = side;
  BlockBuilder stem("stem");
  stem.conv("conv", 4, 3, 1, false);
  a.stem = stem.done();
  a.blocks.push_back(std::move(block));
  add_exits(a, {1.0}, [&](BlockBuilder& head, int) { add_pooled_head(head, a.classes); });
  return a;
}

Architecture residual() {
  BlockBuilder b("block0");
  b.conv("conv1", 8, 3, 1, false);
  b.plain(LayerKind::relu, "relu");
  const int wide = b.conv("conv2", 4, 3, 1, false);
  b.plain(LayerKind::add, "residual", {Layer::block_input, wide});
  return around(b.done());
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "no error";
}

// Of the block of residual(): conv1 makes 2, relu 3, conv2 4, the sum 5; the exit's pool 6.
TEST(Crossing, InsideAResidualBlockTheShortcutCrossesToo) {
  const Architecture a = residual();
  const Trace t = full(a);
  EXPECT_THAT(crossing(t, 1), ElementsAre(1));
  EXPECT_THAT(crossing(t, 2), ElementsAre(1, 2));
  EXPECT_THAT(crossing(t, 3), ElementsAre(1, 3));
  EXPECT_THAT(crossing(t, 4), ElementsAre(1, 4));
  EXPECT_THAT(crossing(t, 5), ElementsAre(5));
  EXPECT_THAT(crossing(t, 6), ElementsAre(6));
  EXPECT_THAT(cuts(t), ElementsAre(1, 5, 6));

  const std::vector<WideCut> wide = wide_cuts(t);
  ASSERT_EQ(wide.size(), 3);
  EXPECT_EQ(wide[0].cut, 2);
  EXPECT_EQ(wide[0].tensors, 2);
  EXPECT_EQ(wide[0].bytes, 4.0 * (4 + 8) * side * side);
  EXPECT_EQ(wide[2].bytes, 4.0 * (4 + 4) * side * side);
  EXPECT_EQ(bytes_forward(t, 2, 5), 5 * wide[0].bytes);
  EXPECT_EQ(bytes_backward(t, 2, 5), 5 * wide[0].bytes);
  EXPECT_EQ(bytes_forward(t, 2, 5, Precision::fp16_mixed), 5 * wide[0].bytes / 2);
  EXPECT_EQ(bytes_forward(t, 6, 1), 4.0 * 4);
}

// squeeze 2, narrow 3, wide 4 (of 2), both 5.
TEST(Crossing, AConcatenationNeedsAllItsParts) {
  BlockBuilder b("block0");
  const int squeeze = b.conv("squeeze", 2, 1, 1, true);
  const int narrow = b.conv("narrow", 3, 1, 1, true);
  const int wide = b.conv("wide", 3, 3, 1, true, -1, {squeeze});
  b.plain(LayerKind::concat, "concat", {narrow, wide});
  const Architecture a = around(b.done());
  const Trace t = full(a);
  EXPECT_THAT(crossing(t, 2), ElementsAre(2));
  EXPECT_THAT(crossing(t, 3), ElementsAre(2, 3));
  EXPECT_THAT(crossing(t, 4), ElementsAre(3, 4));
  EXPECT_THAT(crossing(t, 5), ElementsAre(5));
  EXPECT_EQ(shape_of(t, 5).features, 6);
}

// conv 2, mean 3, factors 4, product 5: the mean has one position and the map crosses beside it.
TEST(Crossing, SqueezeAndExcitationCarriesTheMapBesideItsFactors) {
  BlockBuilder b("block0");
  const int map = b.conv("conv", 6, 3, 1, false);
  b.pooled_map("mean");
  const int factors = b.plain(LayerKind::sigmoid, "factors");
  b.plain(LayerKind::scale, "scale", {map, factors});
  const Architecture a = around(b.done());
  const Trace t = full(a);
  EXPECT_THAT(crossing(t, 2), ElementsAre(2));
  EXPECT_THAT(crossing(t, 3), ElementsAre(2, 3));
  EXPECT_THAT(crossing(t, 4), ElementsAre(2, 4));
  EXPECT_THAT(crossing(t, 5), ElementsAre(5));
  EXPECT_EQ(bytes_forward(t, 3, 1), 4.0 * 6 * (side * side + 1));
}

TEST(Crossing, AttentionBehindTheCutNeedsTheTokenNumbers) {
  const Architecture a = named("bert-small");
  const Trace t = full(a);
  const int cut = cut_after(t, "block1");
  const std::vector<int> tensors = crossing(t, cut);
  ASSERT_EQ(tensors.size(), 2);
  EXPECT_EQ(tensors.front(), 0);
  EXPECT_TRUE(is_token_numbers(t, 0));
  EXPECT_FALSE(is_token_numbers(t, tensors.back()));
  EXPECT_FALSE(has_gradient(t, 0));
  EXPECT_TRUE(has_gradient(t, tensors.back()));
  const double values = 4.0 * 512 * 128;
  EXPECT_EQ(bytes_forward(t, cut, 3), 3 * (values + 8 * 128));
  EXPECT_EQ(bytes_forward(t, cut, 3, Precision::fp16_mixed), 3 * (values / 2 + 8 * 128));
  EXPECT_EQ(bytes_backward(t, cut, 3), 3 * values);
  // Token numbers do not make a cut wide.
  const std::vector<int> all = cuts(t);
  EXPECT_TRUE(std::binary_search(all.begin(), all.end(), cut));
  // The last attention is in block 3; behind it nobody asks for padding.
  EXPECT_EQ(crossing(t, cut_after(t, "block3.qkv")).front(), 0);
  EXPECT_GT(crossing(t, cut_after(t, "block3.attention")).front(), 0);
}

TEST(Crossing, AnImageDoesNotFollow) {
  for (const char* name : {"vit-micro", "cnn-small", "resnet18"}) {
    const Architecture a = named(name);
    const Trace t = full(a);
    for (int cut = 1; cut < whole(t).last; ++cut) EXPECT_GT(crossing(t, cut).front(), 0) << name;
  }
}

TEST(Crossing, BehindAViewOfTheInputNoGradientFlowsBack) {
  const Architecture a = named("linear");
  const Trace t = full(a);
  EXPECT_THAT(cuts(t), ElementsAre(1));
  EXPECT_EQ(bytes_forward(t, 1, 2), 2 * 4.0 * 784);
  EXPECT_EQ(bytes_backward(t, 1, 2), 0);
}

TEST(Crossing, BehindTheFirstTokenAloneLittleIsSent) {
  const Architecture a = named("vit-micro");
  const Trace t = full(a);
  const int before = cut_after(t, "block3");
  EXPECT_EQ(bytes_forward(t, before, 1), 4.0 * 64 * 50);  // 7 x 7 patches and CLS
  EXPECT_EQ(bytes_forward(t, cut_after(t, "exit4.cls"), 1), 4.0 * 64);
}

TEST(Crossing, APrunedSubmodelSendsLessInsideItsBlocks) {
  const Architecture a = named("vit-micro");
  const Trace half = trace(a, nested_submodel(a, 0.5, true));
  const Trace all = full(a);
  const auto bytes = [](const Trace& t, const char* name) {
    return bytes_forward(t, cut_after(t, name), 1);
  };
  // Beside the residual of 64 features: 128 hidden ones instead of 256.
  EXPECT_EQ(bytes(all, "block1.mlp1"), 4.0 * 50 * (64 + 256));
  EXPECT_EQ(bytes(half, "block1.mlp1"), 4.0 * 50 * (64 + 128));
  EXPECT_EQ(bytes(half, "block1"), bytes(all, "block1"));
}

TEST(Cuts, AnExitIsBehindTheCutAfterItsBlockOrBeforeTheCutAfterItself) {
  const Architecture a = named("vit-micro", {0.5, 1.0});
  const Trace all = full(a);
  const int before = cut_after(all, "block1");
  const int behind = cut_after(all, "exit2");
  EXPECT_GT(behind, before);
  EXPECT_EQ(crossing(all, before), crossing(all, behind));
  EXPECT_EQ(exits_in(all, {0, before}), 0);
  EXPECT_EQ(exits_in(all, {0, behind}), 1);
  EXPECT_EQ(exits_in(all, {behind, whole(all).last}), 1);
  EXPECT_EQ(exits_in(all, {before, whole(all).last}), 2);
  // Inside the exit its own values and those for the next block cross.
  EXPECT_EQ(crossing(all, before + 1).size(), 2);

  const Trace one = full(a, true);
  EXPECT_EQ(exits_in(one, whole(one)), 1);
  EXPECT_EQ(exits_in(one, {0, whole(one).last - 1}), 0);
  EXPECT_THAT(error_of([&] { cut_after(one, "exit2"); }), HasSubstr("no part of the model"));
}

TEST(Cuts, AUserGivesANameOrAPosition) {
  const Architecture a = residual();
  const Trace t = full(a);
  EXPECT_EQ(read_cut(t, "stem", "split.cut"), 1);
  EXPECT_EQ(read_cut(t, "stem.conv", "split.cut"), 1);
  EXPECT_EQ(read_cut(t, "block0", "split.cut"), 5);
  EXPECT_EQ(read_cut(t, "block0.residual", "split.cut"), 5);
  EXPECT_EQ(read_cut(t, "exit1.pool", "split.cut"), 6);
  EXPECT_EQ(read_cut(t, "5", "split.cut"), 5);
  EXPECT_EQ(cut_after(t, "block0.relu"), 3);
  EXPECT_EQ(name_of_cut(t, 1), "stem");
  EXPECT_EQ(name_of_cut(t, 3), "block0.relu");
  EXPECT_EQ(name_of_cut(t, 5), "block0");
}

TEST(Cuts, ErrorsNameTheNearestCut) {
  const Architecture a = residual();
  const Trace t = full(a);
  const auto error = [&](const char* text) {
    return error_of([&] { read_cut(t, text, "split.cut"); });
  };
  EXPECT_EQ(error("block0.relu"),
            "split.cut: at \"block0.relu\" 2 tensors cross instead of one; the nearest cut is "
            "\"stem\" (position 1)");
  EXPECT_THAT(error("4"), AllOf(HasSubstr("2 tensors"), HasSubstr("\"block0\" (position 5)")));
  EXPECT_EQ(error("0"),
            "split.cut: 0 is no position between two of the 7 layers; the nearest cut is \"stem\" "
            "(position 1)");
  EXPECT_THAT(error("7"), HasSubstr("\"exit1.pool\" (position 6)"));
  EXPECT_THAT(error("99999999999"), HasSubstr("\"exit1.pool\" (position 6)"));
  EXPECT_EQ(error("blok0"),
            "split.cut: \"blok0\" is no part of the model; did you mean \"block0\"?");
  EXPECT_EQ(error("the middle"),
            "split.cut: \"the middle\" is no part of the model; name a block, as \"block0\", a "
            "layer, or a position from 1 to 6");
  EXPECT_EQ(error("exit1"),
            "split.cut: there is nothing behind \"exit1\" to cut off; the nearest cut is "
            "\"exit1.pool\" (position 6)");
}

TEST(Cuts, WhatIsNoCutOrStageOfTheTraceIsRefused) {
  const Architecture a = residual();
  const Trace t = full(a);
  EXPECT_THROW(crossing(t, 0), std::out_of_range);
  EXPECT_THROW(crossing(t, 7), std::out_of_range);
  EXPECT_THROW(parameters(t, {3, 3}), std::out_of_range);
  EXPECT_THROW(parameters(t, {-1, 3}), std::out_of_range);
  EXPECT_THROW(parameters(t, {0, 8}), std::out_of_range);
  EXPECT_THROW(stages_between(t, {5, 2}), std::out_of_range);
  EXPECT_THROW(stages_between(t, {2, 2}), std::out_of_range);
  EXPECT_THAT(stages_between(t, {}), ElementsAre(whole(t)));
  EXPECT_THAT(stages_between(t, {2, 5}), ElementsAre(Stage{0, 2}, Stage{2, 5}, Stage{5, 7}));
}

TEST(Cuts, WeightsOfStagesByHand) {
  const Architecture a = named("mlp");
  const Trace t = full(a);
  const Stage second = {cut_after(t, "block0"), cut_after(t, "block1")};
  EXPECT_EQ(parameters(t, second), 200 * 200 + 200);
  EXPECT_EQ(parameter_tensors(t, second), 2);
  EXPECT_EQ(transfer_bytes(t, second), 4 * (200 * 200 + 200));
  EXPECT_EQ(buffers(t, second), 0);
}

// --- all architectures ---------------------------------------------------------------------------

class EveryArchitecture : public testing::TestWithParam<std::string> {
 protected:
  // Exits inside as well.
  const Architecture architecture_ = named(GetParam(), {0.25, 0.5, 1.0});
  const Trace trace_ = full(architecture_);
};

TEST_P(EveryArchitecture, CanBeCutWhereOneTensorCrossesAndIsWideElsewhere) {
  const std::vector<int> single = cuts(trace_);
  std::vector<int> all = single;
  for (const WideCut& wide : wide_cuts(trace_)) {
    EXPECT_GT(wide.tensors, 1);
    EXPECT_EQ(wide.bytes, bytes_forward(trace_, wide.cut, 1));
    all.push_back(wide.cut);
  }
  std::sort(all.begin(), all.end());
  std::vector<int> positions(static_cast<std::size_t>(whole(trace_).last) - 1);
  std::iota(positions.begin(), positions.end(), 1);
  EXPECT_EQ(all, positions);
  EXPECT_FALSE(single.empty());
}

TEST_P(EveryArchitecture, WhatCrossesIsWhatWasMadeBeforeAndIsUsedBehind) {
  EXPECT_TRUE(rc::check([&] {
    const int cut = *rc::gen::inRange(1, whole(trace_).last);
    std::set<int> made = {0};
    std::set<int> used;
    for (int i = 0; i < whole(trace_).last; ++i) {
      const TracedLayer& t = trace_.layers[static_cast<std::size_t>(i)];
      if (i < cut) {
        made.insert(t.output);
        continue;
      }
      used.insert(t.inputs.begin(), t.inputs.end());
      const bool reads_padding =
          architecture_.input == InputKind::tokens && t.layer->kind == LayerKind::attention;
      if (reads_padding) used.insert(0);
    }
    std::vector<int> both;
    std::set_intersection(made.begin(), made.end(), used.begin(), used.end(),
                          std::back_inserter(both));
    RC_ASSERT(crossing(trace_, cut) == both);
  }));
}

TEST_P(EveryArchitecture, NamesOfCutsAreUniqueAndReadBack) {
  std::set<std::string> names;
  for (int cut = 1; cut < whole(trace_).last; ++cut) {
    const std::string name = name_of_cut(trace_, cut);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(cut_after(trace_, name), cut) << name;
  }
  for (const int cut : cuts(trace_)) {
    EXPECT_EQ(read_cut(trace_, name_of_cut(trace_, cut), "key"), cut);
    EXPECT_EQ(nearest_cut(trace_, cut), cut);
  }
}

TEST_P(EveryArchitecture, StagesShareTheWeightsAmongThem) {
  EXPECT_TRUE(rc::check([&] {
    const int last = whole(trace_).last;
    const auto drawn = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, last));
    const std::set<int> positions(drawn.begin(), drawn.end());
    double values = 0;
    double statistics = 0;
    double bytes = 0;
    int tensors = 0;
    int exits = 0;
    for (const Stage& stage : stages_between(trace_, {positions.begin(), positions.end()})) {
      values += parameters(trace_, stage);
      statistics += buffers(trace_, stage);
      bytes += transfer_bytes(trace_, stage);
      tensors += parameter_tensors(trace_, stage);
      exits += exits_in(trace_, stage);
    }
    RC_ASSERT(values == trace_.parameters());
    RC_ASSERT(statistics == trace_.buffers());
    RC_ASSERT(bytes == transfer_bytes(trace_));
    RC_ASSERT(tensors == trace_.parameter_tensors());
    RC_ASSERT(exits == static_cast<int>(architecture_.exits.size()));
  }));
}

INSTANTIATE_TEST_SUITE_P(Stages, EveryArchitecture, testing::ValuesIn(architecture_names()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

}  // namespace
}  // namespace convoy::engine
