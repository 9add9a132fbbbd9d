// FedPM's mean of masks, by the numbers of its formula.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "engine/rules/fedpm.hpp"

namespace convoy::engine {
namespace {

// Ten nodes, of which each has as many samples as its number.
class Ten : public Updates {
 public:
  [[nodiscard]] std::size_t size() const override { return 10; }
  [[nodiscard]] const UpdateFacts& facts(std::size_t u) const override {
    facts_.samples = static_cast<double>(u);
    return facts_;
  }
  [[nodiscard]] double change_l1(std::size_t) const override { return 0; }
  [[nodiscard]] double drift_l1(std::size_t) const override { return 0; }

 private:
  mutable UpdateFacts facts_;
};

// The score that so many ones among so many masks make of this one.
double score(int ones, int masks, float before) {
  const std::shared_ptr<const Rule> rule = mean_of_masks();
  const double share = 1.0 / masks;
  const double sum = share * (mask_one * ones + mask_zero * (masks - ones));
  const float weight = 1;
  const auto holders = static_cast<std::uint32_t>(masks);
  Elements e;
  e.size = 1;
  e.current = &before;
  e.sum = &sum;
  e.weight = &weight;
  e.holders = &holders;
  std::array<double, 1> change{};
  rule->combine(e, change);
  return before + change[0];
}

TEST(FedPMRule, IsTheModeOfTheBetaDistribution) {
  EXPECT_NEAR(score(7, 10, 0), 0.82832, 1e-5);  // p = .696
  EXPECT_NEAR(1 / (1 + std::exp(-score(7, 10, 0))), 0.696, 1e-12);
  // Whatever the score was before: the prior is set back.
  EXPECT_NEAR(score(7, 10, -3), 0.82832, 1e-5);
  // The posterior as their server reckons it, alpha and beta from 1.
  for (int ones = 0; ones <= 10; ++ones) {
    const double alpha = 1 + 0.99 * ones + 0.01 * (10 - ones);
    const double beta = 1 + 0.01 * ones + 0.99 * (10 - ones);
    const double p = (alpha - 1) / (alpha + beta - 2);
    EXPECT_NEAR(score(ones, 10, 0.5F), std::log(p / (1 - p)), 1e-9) << ones;
  }
  EXPECT_TRUE(std::isfinite(score(0, 10, 0)));
  EXPECT_TRUE(std::isfinite(score(10, 10, 0)));
}

TEST(FedPMRule, CountsEveryUpdateAlike) {
  EXPECT_THAT(mean_of_masks()->shares(Ten()), testing::Each(testing::DoubleEq(0.1)));
  EXPECT_EQ(mean_of_masks()->shares_sum(Ten()), 1);
  EXPECT_FALSE(mean_of_masks()->needs().changes);
  EXPECT_FALSE(mean_of_masks()->needs().received);
}

}  // namespace
}  // namespace convoy::engine
