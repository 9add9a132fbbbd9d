// Blocks and bandwidths of partitioned edge learning: what an optimum must fulfil, values by hand,
// small cases against a grid, errors.

#include "sim/plan/partitioned.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <numeric>

#include "base/diagnostics.hpp"
#include "base/random.hpp"

namespace convoy::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BlockProblem random_blocks(std::uint64_t seed, int devices) {
  base::Random random({seed, 0x626c6f636bULL});
  BlockProblem p{.parameters = 10000000, .bandwidth_bytes_per_s = 1e7};
  for (int i = 0; i < devices; ++i) {
    p.devices.push_back({.name = "d" + std::to_string(i),
                         .fixed_s = 30 * random.uniform() * random.uniform(),
                         .seconds_per_parameter = 1e-6 * std::exp(3 * random.uniform()),
                         .bytes_per_parameter = 8});
    if (random.uniform() < 0.3) p.devices.back().link_bytes_per_s = 1e6 * (1 + random.uniform());
    if (random.uniform() < 0.3) p.devices.back().most_parameters = 8e5 * (1 + random.uniform());
  }
  p.devices[0].most_parameters = std::numeric_limits<double>::infinity();
  return p;
}

double seconds_of(const BlockDevice& d, double block, double bandwidth) {
  return d.fixed_s + block * (d.seconds_per_parameter + d.bytes_per_parameter / bandwidth);
}

// What one more byte/s gains, in parameters.
double gain_of(const BlockDevice& d, double round_s, double bandwidth) {
  const double divisor = d.seconds_per_parameter * bandwidth + d.bytes_per_parameter;
  return (round_s - d.fixed_s) * d.bytes_per_parameter / (divisor * divisor);
}

TEST(Partitioned, TwoEqualDevicesByHand) {
  BlockProblem p{.parameters = 100, .bandwidth_bytes_per_s = 10};
  p.devices.assign(
      2, {.name = "a", .fixed_s = 1, .seconds_per_parameter = 0.1, .bytes_per_parameter = 2});
  const BlockPlan plan = plan_blocks(p);  // 1 + 50 * (0.1 + 2 / 5)
  EXPECT_THAT(plan.parameters, ElementsAre(50, 50));
  EXPECT_NEAR(plan.bandwidth_bytes_per_s[0], 5, 1e-9);
  EXPECT_NEAR(plan.round_s, 26, 1e-9);
  EXPECT_NEAR(plan.exact_round_s, 26, 1e-9);
}

TEST(Partitioned, WhoWouldOnlySlowItDownGetsNothing) {
  BlockProblem p{.parameters = 100, .bandwidth_bytes_per_s = 10};
  const BlockDevice quick{.name = "quick", .seconds_per_parameter = 0.1, .bytes_per_parameter = 2};
  p.devices = {quick, quick};
  p.devices[1].fixed_s = 31;  // alone, the other one ends at 100 * (0.1 + 2 / 10) = 30
  const BlockPlan plan = plan_blocks(p);
  EXPECT_THAT(plan.parameters, ElementsAre(100, 0));
  EXPECT_NEAR(plan.bandwidth_bytes_per_s[0], 10, 1e-9);
  EXPECT_EQ(plan.bandwidth_bytes_per_s[1], 0);
  EXPECT_EQ(plan.times_s[1], 0);
  EXPECT_NEAR(plan.round_s, 30, 1e-9);
}

TEST(Partitioned, AnOptimumOfManyDevices) {
  int used = 0;
  int all = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const BlockProblem p = random_blocks(seed, 12);
    const BlockPlan plan = plan_blocks(p);
    EXPECT_EQ(std::accumulate(plan.parameters.begin(), plan.parameters.end(), std::int64_t{0}),
              p.parameters);
    double bandwidth = 0;
    double room = 0;            // bandwidth of which use could be made
    double least_gain = 1e300;  // of those that could have less
    double most_gain = 0;       // of those that could have more
    for (std::size_t i = 0; i < p.devices.size(); ++i) {
      const BlockDevice& d = p.devices[i];
      const double b = plan.bandwidth_bytes_per_s[i];
      const auto block = static_cast<double>(plan.parameters[i]);
      bandwidth += b;
      ++all;
      EXPECT_LE(b, d.link_bytes_per_s * (1 + 1e-12));
      EXPECT_LE(block, d.most_parameters);
      const bool at_limit =
          b >= d.link_bytes_per_s * (1 - 1e-9) || block >= std::floor(d.most_parameters) - 1;
      if (!at_limit) room += 1;
      if (!at_limit && plan.exact_round_s > d.fixed_s) {
        most_gain = std::max(most_gain, gain_of(d, plan.exact_round_s, b));
      }
      if (block == 0) continue;
      ++used;
      least_gain = std::min(least_gain, gain_of(d, plan.exact_round_s, b));
      // Within a parameter, to which blocks are rounded.
      const double one = seconds_of(d, 1, b) - d.fixed_s;
      EXPECT_NEAR(plan.times_s[i], plan.exact_round_s, 1.01 * one) << seed;
    }
    EXPECT_LE(bandwidth, p.bandwidth_bytes_per_s * (1 + 1e-12));
    if (room > 0) {
      EXPECT_NEAR(bandwidth, p.bandwidth_bytes_per_s, 1e-3) << seed;
    }
    EXPECT_LE(most_gain, least_gain * (1 + 1e-6)) << seed;
  }
  EXPECT_LT(used, all);
  EXPECT_GT(used, all / 3);
}

// Two devices: every split of the bandwidth, in small steps.
TEST(Partitioned, NoSplitOfAGridIsFaster) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    BlockProblem p = random_blocks(seed, 2);
    for (BlockDevice& d : p.devices) d.most_parameters = 1e300;
    const BlockPlan plan = plan_blocks(p);
    double best = 1e300;
    for (int step = 0; step <= 2000; ++step) {
      const double first = p.bandwidth_bytes_per_s * step / 2000;
      const double bandwidths[] = {
          std::min(first, p.devices[0].link_bytes_per_s),
          std::min(p.bandwidth_bytes_per_s - first, p.devices[1].link_bytes_per_s)};
      // Both end at T: T = (parameters + sum fixed / pace) / sum 1 / pace, if both take part.
      double rates = 0;
      double late = 0;
      for (std::size_t i = 0; i < 2; ++i) {
        const BlockDevice& d = p.devices[i];
        if (bandwidths[i] <= 0) continue;
        const double rate = 1 / (d.seconds_per_parameter + d.bytes_per_parameter / bandwidths[i]);
        rates += rate;
        late += rate * d.fixed_s;
        best = std::min(best, d.fixed_s + static_cast<double>(p.parameters) / rate);
      }
      const double both = (static_cast<double>(p.parameters) + late) / rates;
      if (both >= std::max(p.devices[0].fixed_s, p.devices[1].fixed_s)) {
        best = std::min(best, both);
      }
    }
    EXPECT_LE(plan.exact_round_s / best - 1, 1e-12) << seed;
    EXPECT_GE(plan.exact_round_s, best * (1 - 1e-3)) << seed;
  }
}

TEST(Partitioned, MoreBandwidthNeverMakesARoundLonger) {
  EXPECT_TRUE(rc::check([] {
    BlockProblem p =
        random_blocks(*rc::gen::inRange<std::uint64_t>(0, 1000000), *rc::gen::inRange(1, 8));
    const double before = plan_blocks(p).exact_round_s;
    p.bandwidth_bytes_per_s *= 1 + *rc::gen::inRange(0, 300) / 100.0;
    RC_ASSERT(plan_blocks(p).exact_round_s <= before * (1 + 1e-12));
  }));
}

TEST(Partitioned, ErrorsSayWhatIsMissing) {
  const auto plan = [](const BlockProblem& p) { return [p] { plan_blocks(p); }; };
  const auto says = [](const char* text) {
    return testing::ThrowsMessage<base::UserError>(HasSubstr(text));
  };
  BlockProblem p{.parameters = 100, .bandwidth_bytes_per_s = 10};
  EXPECT_THAT(plan(p), says("there are no devices"));
  p.devices.assign(2, {.name = "a", .seconds_per_parameter = 0.1, .bytes_per_parameter = 2});
  p.devices[0].most_parameters = 30;
  p.devices[1].most_parameters = 40.5;
  EXPECT_THAT(plan(p), says("hold 70 of the model's 100 parameters: 30 more must fit"));
  p.devices[1].most_parameters = 70;
  EXPECT_THAT(plan_blocks(p).parameters, ElementsAre(30, 70));
  p.devices[1].seconds_per_parameter = 0;
  EXPECT_THAT(plan(p), says("device a: seconds and bytes per parameter must be above 0"));
  p.bandwidth_bytes_per_s = 0;
  EXPECT_THAT(plan(p), says("the bandwidth must be above 0"));
}

}  // namespace
}  // namespace convoy::sim
