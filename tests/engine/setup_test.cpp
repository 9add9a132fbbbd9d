// An engine's setup as text, as agents are sent it.

#include "engine/api/setup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convoy::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

EngineSetup sent(const EngineSetup& setup) { return read_setup(to_toml(setup), "", false, "t"); }

EngineSetup small() {
  EngineSetup setup;
  setup.model.architecture = "mlp";
  return setup;
}

TEST(Setup, WhatADepthOrWidthScheduleAsksForArrives) {
  for (int which = 0; which < 6; ++which) {
    EngineSetup setup = small();
    setup.rules.labels.masked = which == 0;
    setup.rules.labels.told = which == 1;
    setup.rules.scaled = which == 2;
    setup.rules.static_norms = which == 3;
    setup.rules.ensemble = which == 4;
    const LearningRules came = sent(setup).rules;
    EXPECT_EQ(came.labels.masked, which == 0);
    EXPECT_EQ(came.labels.told, which == 1);
    EXPECT_EQ(came.scaled, which == 2);
    EXPECT_EQ(came.static_norms, which == 3);
    EXPECT_EQ(came.ensemble, which == 4);
  }
  EngineSetup importance = small();
  importance.rules.mask.selection = Selection::importance;
  importance.rules.mask.steps = 7;
  importance.rules.mask.hysteresis = 0.25;
  const MaskOptions mask = sent(importance).rules.mask;
  EXPECT_EQ(mask.selection, Selection::importance);
  EXPECT_EQ(mask.steps, 7);
  EXPECT_EQ(mask.hysteresis, 0.25);
  EngineSetup setup = small();
  setup.rules.transfer = {.mutual = true,
                          .weight = 0.7,
                          .temperature = 2,
                          .from_version = 3,
                          .by_batch = true,
                          .detached = true,
                          .ramp = 40};
  const TransferOptions came = sent(setup).rules.transfer;
  EXPECT_TRUE(came.mutual);
  EXPECT_EQ(came.ramp, 40);
  EXPECT_EQ(came.weight, 0.7);
  EXPECT_EQ(came.weight_at(23), setup.rules.transfer.weight_at(23));
}

TEST(Setup, StochasticDepthArrives) {
  EngineSetup setup = small();
  setup.model.architecture = "efficientnet-b1";
  setup.model.stochastic_depth = 0.125;
  EXPECT_EQ(sent(setup).model.stochastic_depth, 0.125);
}

// An agent of before does not know these keys and would refuse them.
TEST(Setup, ARunThatNeedsNothingNewSaysNothingNew) {
  const std::string text = to_toml(small());
  for (const char* word : {"learning]", "masked_loss", "teachers", "ramp", "stochastic_depth"}) {
    EXPECT_THAT(text, Not(HasSubstr(word)));
  }
  EXPECT_THROW(read_setup(text + "[learning]\nscalar = true\n", "", false, "t"), base::UserError);
}

}  // namespace
}  // namespace convoy::engine
