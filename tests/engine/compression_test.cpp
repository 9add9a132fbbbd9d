// [schedule.compression]: what a scenario may ask for, and how it changes over the versions.

#include "engine/api/compression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace convoy::engine {
namespace {

using testing::HasSubstr;

CompressionPlans read(const std::string& toml, std::string* said = nullptr) {
  base::Diagnostics problems;
  const base::Value root = base::parse_toml(toml, "t.toml", problems);
  CompressionPlans plans =
      read_compression(base::TableReader(root, "schedule.compression", problems));
  if (said != nullptr) *said = problems.str();
  if (said == nullptr) {
    EXPECT_EQ(problems.str(), "");
  }
  return plans;
}

TEST(Compression, WithoutWordsNothingIsCompressed) {
  const CompressionPlans plans = read("");
  EXPECT_TRUE(plans.update.is_none());
  EXPECT_TRUE(plans.download.is_none());
  EXPECT_FALSE(plans.update.keeps_residual());
  EXPECT_FALSE(plans.update.changes());
}

TEST(Compression, KeepAndBitsDecayStepByStepToTheirLimits) {
  const CompressionPlan plan =
      read("keep = 0.4\n[decay]\nevery = 3\nfactor = 0.5\nkeep_to = 0.15\nbits_to = 1\n").update;
  EXPECT_TRUE(plan.changes());
  const auto at = [&](std::int64_t version, double keep, int bits) {
    EXPECT_EQ(plan.at(version), (Compression{.keep = keep, .bits = bits})) << version;
  };
  at(0, 0.4, 32);
  at(2, 0.4, 32);
  at(3, 0.2, 8);
  at(5, 0.2, 8);
  at(6, 0.15, 1);
  at(1'000'000'000, 0.15, 1);
  EXPECT_EQ(plan.last(), plan.at(1'000'000'000));
}

TEST(Compression, MayFadeUntilAllIsSent) {
  const CompressionPlan plan =
      read("keep = 0.25\nbits = 8\n[decay]\nevery = 1\nfactor = 2\nbits_to = 32\n").update;
  EXPECT_EQ(plan.at(1), (Compression{.keep = 0.5, .bits = 32}));
  EXPECT_TRUE(plan.at(2).is_none());
  EXPECT_FALSE(plan.is_none()) << "it was compressed at first";
  EXPECT_TRUE(plan.keeps_residual());
}

TEST(Compression, OfModelsTheLargestElementsAreSentWithoutFeedback) {
  const CompressionPlans plans =
      read("feedback = false\n[download]\nkeep = 0.5\nbits = 8\n[download.decay]\nfactor = 0.5\n");
  EXPECT_TRUE(plans.update.is_none());
  EXPECT_EQ(plans.download.at(0), (Compression{.keep = 0.5, .bits = 8, .feedback = false}));
  EXPECT_EQ(plans.download.at(10), (Compression{.keep = 0.25, .bits = 8, .feedback = false}));
  EXPECT_DOUBLE_EQ(plans.download.last().keep, 0.01);
}

TEST(Compression, WhatSaysNothingOrTheWrongThingIsRefused) {
  const auto said = [](const std::string& toml) {
    std::string text;
    read(toml, &text);
    return text;
  };
  EXPECT_THAT(said("bits = 5\n"), HasSubstr("schedule.compression.bits: 5 is none of 32, 8, 1"));
  EXPECT_THAT(said("keep = 0.99\n"),
              HasSubstr("the places need more bytes than compression saves"));
  EXPECT_THAT(said("[decay]\nbits_to = 16\n"),
              HasSubstr("schedule.compression.decay.bits_to: 16 is none of 32, 8, 1"));
  EXPECT_THAT(said("keep = 0.5\n[decay]\nkeep_to = 0.1\n"),
              HasSubstr("schedule.compression.decay.keep_to: needs a factor"));
  EXPECT_THAT(said("keep = 0.5\n[decay]\nfactor = 2\nkeep_to = 0.1\n"),
              HasSubstr("is not where keep = 0.5 gets to"));
  EXPECT_THAT(said("keep = 0.5\n[decay]\nfactor = 0.9999\n"), HasSubstr("nothing that one would"));
  EXPECT_THAT(said("[decay]\nevery = 5\n"), HasSubstr("changes nothing"));
  EXPECT_THAT(said("keep = 0.495\n[decay]\nevery = 4\nfactor = 2\nkeep_to = 0.995\n"),
              HasSubstr("from version 4 on the places need more bytes"));
  EXPECT_THAT(said("[download]\nwhich = \"drawn\"\n"), HasSubstr("unknown key \"which\""));
  EXPECT_THAT(said("[download]\nkepe = 0.5\n"), HasSubstr("did you mean \"keep\""));
}

// Whatever is asked for: it moves one way only, stays within its limits, and saves at every step.
TEST(Compression, MovesOneWayWithinItsLimits) {
  EXPECT_TRUE(rc::check([] {
    CompressionPlan plan;
    plan.first.keep = *rc::gen::inRange(1, 1001) / 1000.0;
    plan.every = *rc::gen::inRange(1, 20);
    plan.factor = *rc::gen::inRange(1, 300) / 100.0;
    const double limit = *rc::gen::inRange(1, 1001) / 1000.0;
    plan.keep_to =
        plan.factor < 1 ? std::min(limit, plan.first.keep) : std::max(limit, plan.first.keep);
    const std::vector<int> bits = {32, 8, 1};
    plan.first.bits = *rc::gen::elementOf(bits);
    plan.bits_to = *rc::gen::elementOf(bits);
    plan.bits_change = plan.bits_to != plan.first.bits;
    Compression before = plan.at(0);
    RC_ASSERT(before == plan.first);
    for (std::int64_t version = 1; version < 400; ++version) {
      const Compression now = plan.at(version);
      if (version % plan.every != 0) RC_ASSERT(now == before);
      const bool falls = plan.factor <= 1;
      RC_ASSERT((falls ? now.keep <= before.keep : now.keep >= before.keep));
      RC_ASSERT(now.keep > 0 && now.keep <= 1);
      RC_ASSERT((now.bits - before.bits) * (plan.bits_to - plan.first.bits) >= 0);
      before = now;
    }
    if (plan.changes() && (plan.factor < 0.9 || plan.factor > 1.1)) {
      RC_ASSERT(plan.at(std::int64_t{1} << 62) == plan.last());
    }
  }));
}

}  // namespace
}  // namespace convoy::engine
