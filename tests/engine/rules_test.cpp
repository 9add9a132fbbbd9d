// Tests aggregation rules on plain numbers: against formulas computed here, and the promises of
// every rule.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/random.hpp"
#include "engine/rules/registry.hpp"

namespace convoy::engine {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

std::shared_ptr<const Rule> rule(const std::string& keys, std::string* problems = nullptr) {
  base::Diagnostics found;
  const base::Value table = base::parse_toml("aggregation = " + keys, "test", found);
  base::TableReader reader(table, "schedule", found);
  auto made = read_aggregation(reader).rule;
  if (problems != nullptr) *problems = found.str();
  if (problems == nullptr) {
    EXPECT_EQ(found.str(), "");
  }
  return made;
}

// Updates of some elements each; nothing: the update does not hold the element.
struct Case {
  std::vector<UpdateFacts> facts;
  std::vector<std::vector<std::optional<float>>> changes;  // by update, then element
};

class Given : public Updates {
 public:
  explicit Given(Case made) : case_(std::move(made)) {}
  [[nodiscard]] std::size_t size() const override { return case_.facts.size(); }
  [[nodiscard]] const UpdateFacts& facts(std::size_t u) const override { return case_.facts[u]; }
  [[nodiscard]] double change_l1(std::size_t u) const override {
    double sum = 0;
    for (const auto& c : case_.changes[u]) sum += std::abs(c.value_or(0));
    return sum;
  }
  [[nodiscard]] double drift_l1(std::size_t u) const override {
    return static_cast<double>(case_.facts[u].staleness);  // grows by 1 per version
  }

  // Of each element; as many as there are elements, or none at work.
  std::vector<float> at_work;

  // The change of each element; nothing: no update holds it.
  std::vector<std::optional<double>> apply(const Rule& rule,
                                           std::vector<std::vector<float>>* state = nullptr,
                                           std::int64_t aggregations = 0) const {
    const std::vector<double> shares = rule.shares(*this);
    const std::size_t n = case_.changes.front().size();
    std::vector<double> sum(n);
    std::vector<float> weight(n);
    std::vector<std::uint32_t> holders(n);
    std::vector<float> current(n, 1.0F);
    std::vector<std::vector<float>> changes;
    std::vector<std::vector<std::uint8_t>> holds;
    std::vector<std::vector<float>> received;  // smaller by an eighth per version
    for (std::size_t u = 0; u < size(); ++u) {
      received.emplace_back(n, 1.0F - 0.125F * static_cast<float>(case_.facts[u].staleness));
      changes.emplace_back(n);
      holds.emplace_back(n);
      for (std::size_t i = 0; i < n; ++i) {
        const auto& c = case_.changes[u][i];
        if (!c) continue;
        sum[i] += shares[u] * *c;
        weight[i] += static_cast<float>(shares[u]);
        ++holders[i];
        changes[u][i] = *c;
        holds[u][i] = 1;
      }
    }
    std::vector<std::vector<float>> fresh(rule.state().size(), std::vector<float>(n));
    std::vector<std::vector<float>>& slots = state != nullptr ? *state : fresh;
    if (slots.empty()) slots = fresh;
    std::vector<const float*> change_rows;
    std::vector<const std::uint8_t*> hold_rows;
    std::vector<const float*> received_rows;
    std::vector<float*> slot_rows;
    for (const auto& row : changes) change_rows.push_back(row.data());
    for (const auto& row : holds) hold_rows.push_back(row.data());
    for (const auto& row : received) received_rows.push_back(row.data());
    for (auto& row : slots) slot_rows.push_back(row.data());
    std::vector<float> others = at_work;
    others.resize(n, 0);
    Elements e{.size = n,
               .current = current.data(),
               .sum = sum.data(),
               .weight = weight.data(),
               .holders = holders.data(),
               .updates = size(),
               .at_work = others.data(),
               .shares = shares,
               .changes = change_rows,
               .holds = hold_rows,
               .received = received_rows,
               .state = slot_rows,
               .aggregations = aggregations};
    std::vector<double> change(n);
    rule.combine(e, change);
    std::vector<std::optional<double>> result(n);
    for (std::size_t i = 0; i < n; ++i) {
      if (holders[i] > 0) result[i] = change[i];
    }
    return result;
  }

 private:
  Case case_;
};

Given three(std::vector<std::int64_t> staleness = {0, 0, 0}) {
  return Given({{{.samples = 10, .staleness = staleness[0]},
                 {.samples = 30, .staleness = staleness[1]},
                 {.samples = 60, .staleness = staleness[2]}},
                {{1.0F, -2.0F, std::nullopt}, {4.0F, 2.0F, std::nullopt}, {2.0F, {}, {}}}});
}

TEST(Rules, CoverageIsTheMeanOfThoseThatHoldAnElementBySamples) {
  const auto change = three().apply(*rule("{ rule = \"coverage\" }"));
  EXPECT_NEAR(*change[0], (10 * 1 + 30 * 4 + 60 * 2) / 100.0, 1e-6);
  EXPECT_NEAR(*change[1], (10 * -2 + 30 * 2) / 40.0, 1e-6);
  EXPECT_FALSE(change[2]);
}

// n d / (b / 2 + F / 2), in samples, as the rule's file has it.
TEST(Rules, InFlightIsDampedByWhoeverIsAtWork) {
  Given given = three();
  given.at_work = {0.5F, 1.0F, 3.0F};  // of 100 samples: 50 and 100 more
  const auto change = given.apply(*rule("{ rule = \"in-flight\" }"));
  EXPECT_NEAR(*change[0], (10 * 1 + 30 * 4 + 60 * 2) / (100 / 2.0 + (100 + 50) / 2.0), 1e-6);
  EXPECT_NEAR(*change[1], (10 * -2 + 30 * 2) / (40 / 2.0 + (40 + 100) / 2.0), 1e-6);
  EXPECT_FALSE(change[2]);
  const auto most = given.apply(*rule("{ rule = \"in-flight\", damping = 1 }"));
  EXPECT_NEAR(*most[0], (10 * 1 + 30 * 4 + 60 * 2) / 150.0, 1e-6);
  const auto none = rule("{ rule = \"in-flight\", damping = 0 }");
  EXPECT_EQ(given.apply(*none), three().apply(*rule("{ rule = \"coverage\" }")));
  EXPECT_EQ(three().apply(*rule("{ rule = \"in-flight\" }")),
            three().apply(*rule("{ rule = \"coverage\" }")))
      << "nobody else is at work";
}

TEST(Rules, InFlightCountsOldUpdatesForLess) {
  Given given = three({0, 3, 8});
  given.at_work = {0.5F};
  const auto change = given.apply(*rule("{ rule = \"in-flight\", power = 0.5 }"));
  const double sum = 10 * 1 + 30 * 4 / 2.0 + 60 * 2 / 3.0;
  const double b = 10 + 30 / 2.0 + 60 / 3.0;
  EXPECT_NEAR(*change[0], sum / (b / 2 + (b + 50) / 2), 1e-6);
}

// With momentum 0.5 and a rate of 2, twice the same updates.
TEST(Rules, InFlightMayHaveMomentum) {
  Given given = three();
  given.at_work = {1.0F};
  const auto r = rule("{ rule = \"in-flight\", momentum = 0.5, learning_rate = 2 }");
  std::vector<std::vector<float>> state;
  const double step = *given.apply(*rule("{ rule = \"in-flight\" }"))[0];
  EXPECT_NEAR(*given.apply(*r, &state, 0)[0], 2 * step, 1e-6);
  EXPECT_NEAR(*given.apply(*r, &state, 1)[0], 2 * 1.5 * step, 1e-6);
  EXPECT_EQ(state[0][2], 0);
}

TEST(Rules, HoldersCountAlikeWhateverTheirSamples) {
  const auto change = three().apply(*rule("{ rule = \"holders\" }"));
  EXPECT_NEAR(*change[0], (1 + 4 + 2) / 3.0, 1e-6);
  EXPECT_NEAR(*change[1], (-2 + 2) / 2.0, 1e-6);
  EXPECT_FALSE(change[2]) << "what nobody holds keeps its value";
}

TEST(Rules, MedianOfOddAndEvenNumbers) {
  const auto change = three().apply(*rule("{ rule = \"median\" }"));
  EXPECT_EQ(*change[0], 2);
  EXPECT_EQ(*change[1], 0);
  EXPECT_FALSE(change[2]);
}

// The table of FLSim, by FedBuff's authors: sqrt(2 / (1 + s)).
TEST(Rules, FedBuffWeighsStalenessAsItsAuthorsSimulatorDoes) {
  Case six;
  for (std::int64_t s = 0; s < 6; ++s) {
    six.facts.push_back({.samples = 1, .staleness = s});
    six.changes.push_back({1.0F});
  }
  const Given updates(six);
  const std::vector<double> table = {1.41421, 1, .81650, .70711, .63246, .57735};
  const auto sum = rule("{ rule = \"fedbuff\", divide = \"nothing\" }");
  EXPECT_THAT(sum->shares(updates), Pointwise(DoubleNear(1e-5), table));
  const double all = std::accumulate(table.begin(), table.end(), 0.0);
  EXPECT_NEAR(*updates.apply(*sum)[0], all, 1e-4);
  // The paper's K, and its 1 / sqrt(1 + s).
  const auto plain = rule("{ rule = \"fedbuff\", average_staleness = 0, learning_rate = 0.5 }");
  EXPECT_NEAR(*updates.apply(*plain)[0], 0.5 * all / std::sqrt(2) / 6, 1e-5);
  const auto mean = rule("{ rule = \"fedbuff\", divide = \"weights\" }");
  EXPECT_NEAR(*updates.apply(*mean)[0], 1, 1e-6);
  EXPECT_NEAR(mean->shares(updates)[1], 1 / all, 1e-6);
}

TEST(Rules, FedBuffScalesWhatOnlySomeHold) {
  const auto change = three().apply(*rule("{ rule = \"fedbuff\", average_staleness = 0 }"));
  EXPECT_NEAR(*change[0], (1 + 4 + 2) / 3.0, 1e-6);
  EXPECT_NEAR(*change[1], (-2 + 2) / 2.0, 1e-6);
}

// The model is 1; an update of staleness d was trained from 1 - d / 8.
TEST(Rules, FedAsyncMixesValuesByStaleness) {
  const auto share = [](const std::string& keys, std::int64_t staleness, std::int64_t base = 0) {
    const Given one({{{.base_version = base, .staleness = staleness}}, {{0.5F}}});
    return rule("{ rule = \"fedasync\"" + keys + " }")->shares(one)[0];
  };
  EXPECT_DOUBLE_EQ(share("", 0), 0.8);
  EXPECT_DOUBLE_EQ(share("", 3), 0.4);  // 0.8 / sqrt(4)
  EXPECT_DOUBLE_EQ(share(", power = 2, alpha = 0.9", 2), 0.1);
  EXPECT_DOUBLE_EQ(share(", staleness = \"constant\"", 9), 0.8);
  const std::string hinge = ", staleness = \"hinge\", bound = 4, power = 10";
  EXPECT_DOUBLE_EQ(share(hinge, 4), 0.8);
  EXPECT_DOUBLE_EQ(share(hinge, 5), 0.8 / 11);
  EXPECT_DOUBLE_EQ(share(hinge, 7), 0.8 / 31);
  // Alpha is halved from the present version `decay_at` on; the version is base + staleness.
  const std::string decays = ", staleness = \"constant\", decay_at = 5, decay = 0.5";
  EXPECT_DOUBLE_EQ(share(decays, 2, 2), 0.8);
  EXPECT_DOUBLE_EQ(share(decays, 2, 3), 0.4);

  const auto constant = rule("{ rule = \"fedasync\", alpha = 0.6, staleness = \"constant\" }");
  const Given fresh({{{.staleness = 0}}, {{0.5F}}});
  EXPECT_NEAR(*fresh.apply(*constant)[0], 0.6 * 0.5, 1e-7);
  // 0.4 x 1 + 0.6 x (0.75 + 0.5) - 1
  const Given old({{{.staleness = 2}}, {{0.5F}}});
  EXPECT_NEAR(*old.apply(*constant)[0], 0.15, 1e-7);
  // One after the other; an element that only one update holds is mixed with that update only.
  const Given two({{{.staleness = 0}, {.staleness = 2}}, {{0.5F, {}}, {-0.25F, 1.0F}}});
  const double first = 0.4 * 1 + 0.6 * 1.5;
  EXPECT_NEAR(*two.apply(*constant)[0], 0.4 * first + 0.6 * 0.5 - 1, 1e-7);
  EXPECT_NEAR(*two.apply(*constant)[1], 0.4 * 1 + 0.6 * 1.75 - 1, 1e-7);
}

// Each update moves the model by its part of all nodes of the run, whoever else has come.
TEST(Rules, FedCompassAddsChangesByStalenessAndNumberOfNodes) {
  class OfTen : public Given {
   public:
    using Given::Given;
    [[nodiscard]] std::size_t nodes() const override { return 10; }
  };
  const OfTen two({{{.samples = 1, .staleness = 0}, {.samples = 9, .staleness = 3}},
                   {{1.0F, {}}, {-2.0F, 4.0F}}});
  const auto usual = rule("{ rule = \"fedcompass\" }");
  EXPECT_THAT(usual->shares(two), Pointwise(DoubleNear(1e-12), {0.09, 0.045}));
  EXPECT_NEAR(*two.apply(*usual)[0], 0.09 * 1 - 0.045 * 2, 1e-7);
  EXPECT_NEAR(*two.apply(*usual)[1], 2 * 0.045 * 4, 1e-7) << "that one of two holds";
  const auto plain = rule("{ rule = \"fedcompass\", alpha = 1, power = 0 }");
  EXPECT_THAT(plain->shares(two), Pointwise(DoubleNear(1e-12), {0.1, 0.1}));
}

// The model is 1; what an update of staleness d was trained from is 1 - d / 8.
TEST(Rules, TeasqMixesTheMeanOfACacheByItsStaleness) {
  const Given two({{{.samples = 1, .staleness = 0}, {.samples = 9, .staleness = 3}},
                   {{0.5F, {}}, {-0.25F, 1.0F}}});
  const auto r = rule("{ rule = \"teasq\", alpha = 0.6 }");
  const double s0 = 1;
  const double s3 = 0.5;  // 1 / sqrt(4)
  const double alpha_t = 0.6 * (s0 + s3) / 2;
  EXPECT_NEAR(r->shares_sum(two), alpha_t, 1e-12);
  const double u = (s0 * (1 + 0.5) + s3 * (1 - 0.375 - 0.25)) / (s0 + s3);
  EXPECT_NEAR(*two.apply(*r)[0], (1 - alpha_t) * 1 + alpha_t * u - 1, 1e-7);
  // Of those who hold it alone.
  EXPECT_NEAR(*two.apply(*r)[1], alpha_t * ((1 - 0.375 + 1) - 1), 1e-7);
  // A fresh cache with all of alpha is the plain mean, whatever the samples.
  const Given fresh(
      {{{.samples = 1, .staleness = 0}, {.samples = 9, .staleness = 0}}, {{0.5F}, {-0.25F}}});
  EXPECT_NEAR(*fresh.apply(*rule("{ rule = \"teasq\", alpha = 1 }"))[0], 0.125, 1e-7);
}

// Fresh updates of equal nodes: FedBuff, normalised at no staleness, is FedAvg to the bit; at one
// version (FLSim) it is FedAvg with sqrt(2) as the server's rate, to the rounding of that factor.
TEST(Rules, FedBuffOfFreshUpdatesIsFedAvgWithItsServerRate) {
  base::Random random({5});
  Case four;
  for (int u = 0; u < 4; ++u) {
    four.facts.push_back({.samples = 30, .staleness = 0});
    four.changes.emplace_back();
    for (int i = 0; i < 50; ++i) {
      four.changes.back().emplace_back(static_cast<float>(random.uniform() - 0.5));
    }
  }
  const Given updates(four);
  const auto mean = updates.apply(*rule("{ rule = \"coverage\" }"));
  EXPECT_EQ(updates.apply(*rule("{ rule = \"fedbuff\", average_staleness = 0 }")), mean);
  const auto fast = updates.apply(
      *rule("{ rule = \"fedavgm\", momentum = 0, learning_rate = 1.4142135623730951 }"));
  const auto normalised = updates.apply(*rule("{ rule = \"fedbuff\" }"));
  for (std::size_t i = 0; i < mean.size(); ++i) {
    EXPECT_NEAR(*normalised[i], *fast[i], 1e-6 * std::abs(*fast[i]));
    EXPECT_NEAR(*normalised[i], std::sqrt(2) * *mean[i], 1e-6 * std::abs(*fast[i]));
  }
}

TEST(Rules, TheRuleWhereNoneIsNamedIsSaidByWhoReadsIt) {
  const auto read = [](const std::string& toml, std::string& said) {
    base::Diagnostics found;
    const base::Value table = base::parse_toml(toml, "test", found);
    base::TableReader reader(table, "schedule", found);
    const auto options = read_aggregation(reader, "fedbuff");
    said = found.str();
    return options.rule->name();
  };
  std::string said;
  EXPECT_EQ(read("", said), "fedbuff");
  EXPECT_EQ(read("aggregation = { norm_bound = 5 }", said), "fedbuff");
  EXPECT_EQ(said, "");
  EXPECT_EQ(read("aggregation = { rule = \"median\" }", said), "median");
  EXPECT_EQ(said, "");
  read("aggregation = { power = 1 }", said);  // a key without its rule
  EXPECT_THAT(said, testing::HasSubstr("unknown key \"power\""));
}

TEST(Rules, FedAvgMAndFedAdamStepByStep) {
  const auto momentum = rule("{ rule = \"fedavgm\", momentum = 0.5, learning_rate = 2 }");
  const auto adam =
      rule("{ rule = \"fedadam\", learning_rate = 0.3, beta1 = 0.8, beta2 = 0.9, tau = 0.01 }");
  std::vector<std::vector<float>> velocity;
  std::vector<std::vector<float>> moments;
  double v = 0;
  double m = 0;
  double s = 0.01 * 0.01;
  for (int step = 0; step < 5; ++step) {
    const float d = 0.5F - 0.2F * static_cast<float>(step);
    const Given one({{{.samples = 3}}, {{d}}});
    v = 0.5 * v + d;
    EXPECT_NEAR(*one.apply(*momentum, &velocity, step)[0], 2 * v, 1e-5);
    m = 0.8 * m + 0.2 * d;
    s = 0.9 * s + 0.1 * d * d;
    EXPECT_NEAR(*one.apply(*adam, &moments, step)[0], 0.3 * m / (std::sqrt(s) + 0.01), 1e-5);
  }
}

// For any updates: shares are at least 0 and have the declared sum; changes are finite; a single
// fresh update that holds everything becomes the version for averaging rules; the state changes
// only for elements that some update holds.
TEST(Rules, AllKeepWhatTheyPromise) {
  EXPECT_TRUE(rc::check([] {
    const auto n = *rc::gen::inRange<std::size_t>(1, 6);
    const auto count = *rc::gen::inRange<std::size_t>(1, 9);
    Case made;
    for (std::size_t u = 0; u < count; ++u) {
      UpdateFacts facts;
      facts.samples = *rc::gen::inRange(0, 1000);
      facts.rate = *rc::gen::inRange(1, 101) / 100.0;
      facts.staleness = *rc::gen::inRange<std::int64_t>(0, 50);
      made.facts.push_back(facts);
      made.changes.emplace_back();
      for (std::size_t i = 0; i < n; ++i) {
        const bool held = *rc::gen::inRange(0, 4) > 0;
        const float value = static_cast<float>(*rc::gen::inRange(-1000, 1000)) / 100;
        made.changes.back().push_back(held ? std::optional<float>(value) : std::nullopt);
      }
    }
    Given updates(made);
    for (std::size_t i = 0; i < n; ++i) {
      updates.at_work.push_back(static_cast<float>(*rc::gen::inRange(0, 100)) / 10);
    }
    for (const RuleKind& kind : rule_kinds()) {
      const auto r = rule("{ rule = \"" + kind.name + "\" }");
      RC_ASSERT(r->name() == kind.name);
      const std::vector<double> shares = r->shares(updates);
      RC_ASSERT(shares.size() == count);
      double sum = 0;
      for (const double share : shares) {
        RC_ASSERT(share >= 0);
        sum += share;
      }
      RC_ASSERT(std::abs(sum - r->shares_sum(updates)) < 1e-9);
      std::vector<std::vector<float>> state;
      for (const auto& change : updates.apply(*r, &state)) {
        if (change) RC_ASSERT(std::isfinite(*change));
      }
      for (std::size_t i = 0; i < n; ++i) {
        const bool held = std::any_of(made.changes.begin(), made.changes.end(),
                                      [&](const auto& row) { return row[i].has_value(); });
        for (const auto& slot : state) RC_ASSERT(held || slot[i] == 0);
      }
    }
    for (const char* name :
         {"coverage", "in-flight", "holders", "drift", "drift-relative", "median", "fedavgm"}) {
      Case one{{made.facts.front()}, {made.changes.front()}};
      one.facts.front().staleness = 0;
      const auto change = Given(one).apply(*rule(std::string("{ rule = \"") + name + "\" }"));
      for (std::size_t i = 0; i < n; ++i) {
        if (change[i]) RC_ASSERT(std::abs(*change[i] - *one.changes.front()[i]) < 1e-4);
      }
    }
  }));
}

TEST(Rules, AMisspeltRuleOrKeyIsNamed) {
  std::string problems;
  rule("{ rule = \"fedadm\" }", &problems);
  EXPECT_THAT(problems, testing::HasSubstr("did you mean \"fedadam\""));
  rule("{ rule = \"fedavgm\", momentun = 0.5 }", &problems);
  EXPECT_THAT(problems, testing::HasSubstr("did you mean \"momentum\""));
  rule("{ rule = \"fedavgm\", momentum = 1 }", &problems);
  EXPECT_THAT(problems, testing::HasSubstr("at least 0 and below 1"));
  EXPECT_EQ(rule("\"drift\"", &problems)->name(), "drift");  // the older form
  EXPECT_THAT(problems, testing::HasSubstr("aggregation = { rule = \"drift\" }"));
}

}  // namespace
}  // namespace convoy::engine
