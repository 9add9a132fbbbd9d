// Tests the protection of a version: running statistics are means of the updates' own values, NaN
// and infinity are kept out, sizes are bounded. Over all rules, random masks and random staleness.

#include "engine/learning/guarded_merge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "engine/learning/initial.hpp"
#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/seed.hpp"

namespace convoy::engine {
namespace {

constexpr float huge = 3e38F;

// A rule with keys that make its effect strong.
AggregationOptions options_of(const std::string& name, const std::string& keys = "") {
  base::Diagnostics problems;
  const base::Value table = base::parse_toml(
      "aggregation = { rule = \"" + name + "\"" + (keys.empty() ? "" : ", " + keys) + " }", "test",
      problems);
  base::TableReader reader(table, "schedule", problems);
  AggregationOptions options = read_aggregation(reader);
  EXPECT_EQ(problems.str(), "");
  return options;
}

Layout with_batch_norm() {
  ModelOptions model;
  model.architecture = "mnasnet0_5";  // small, with many batch norms
  model.classes = 3;
  model.image_size = 32;
  return test::layout_of(model);
}

// As after training: changes of parameters, values of running statistics.
std::unique_ptr<TensorUpdate> made_up(const Layout& layout, const Submodel& submodel,
                                      std::uint64_t seed, double change) {
  auto update = std::make_unique<TensorUpdate>();
  update->submodel = submodel;
  at::Generator generator = make_generator(at::kCPU, seed);
  Tensors full;
  for (const ParameterTensor& p : layout.tensors) {
    Tensor t = at::randn(p.shape, generator);
    if (p.role == TensorRole::running_variance) t = t.square_().mul_(change);
    if (!p.buffer) t.mul_(change);
    full.push_back(t);
  }
  update->brings = slice(full, layout, submodel, at::kCPU);
  update->labels = {
      static_cast<int>(seed % static_cast<std::uint64_t>(layout.architecture->classes))};
  return update;
}

// The values of one element of a buffer in the updates that hold it.
std::vector<float> values_of(const Layout& layout, std::size_t tensor, std::int64_t row,
                             const std::vector<Received>& updates) {
  std::vector<float> values;
  for (const Received& r : updates) {
    const Tensor& t = r.update->brings[tensor];
    if (!t.defined()) continue;
    const Kept kept = kept_of(layout.tensors[tensor], *layout.architecture, r.update->submodel);
    const auto place = std::find(kept.rows.begin(), kept.rows.end(), row);
    if (!kept.rows.empty() && place == kept.rows.end()) continue;
    values.push_back(t[kept.rows.empty() ? row : place - kept.rows.begin()].item<float>());
  }
  return values;
}

TEST(RunningStatistics, AreNeverOutsideTheValuesOfThoseThatHoldThem) {
  const Layout layout = with_batch_norm();
  // CONVOY_STATISTICS_CASES: cases per rule; ./dev fuzz tries more.
  const char* wanted = std::getenv("CONVOY_STATISTICS_CASES");
  const int cases = wanted == nullptr ? 2 : std::stoi(wanted);
  base::Random random({convoy::test::drawn_seed()});
  const std::vector<std::pair<std::string, std::string>> rules = {
      {"coverage", ""},
      {"drift", ""},
      {"drift-relative", ""},
      {"fedavgm", "learning_rate = 30, momentum = 0.99"},
      {"fedadam", "learning_rate = 5"},
      {"fedbuff", "divide = \"nothing\", learning_rate = 20"},
      {"in-flight", "momentum = 0.99, learning_rate = 20"},
      {"holders", ""},
      {"holders-by-label", ""},
      {"fedasync", "alpha = 1"},
      {"fedcompass", "alpha = 20"},
      {"teasq", "alpha = 1"},
      {"median", ""}};
  ASSERT_EQ(rules.size(), rule_kinds().size()) << "a rule that is not tried here";
  for (const auto& [name, keys] : rules) {
    AggregationOptions options = options_of(name, keys);
    for (int number = 0; number < cases; ++number) {
      options.norm_bound = std::array{0.0, 0.5, 4.0}[random.below(3)];
      auto current = std::make_shared<TensorWeights>(initial_tensors(layout, random.below(1000)),
                                                     Trained(layout.size()));
      const std::shared_ptr<const TensorWeights> first = current;
      RuleState state;
      for (std::int64_t version = 0; version < 3; ++version) {
        std::vector<std::unique_ptr<TensorUpdate>> own;
        std::vector<Received> updates;
        const std::size_t count = 1 + random.below(3);
        for (std::size_t u = 0; u < count; ++u) {
          own.push_back(made_up(layout, test::random_submodel(*layout.architecture, random),
                                random.below(1U << 30), std::pow(10, 3 * random.uniform() - 3)));
          own.back()->samples = static_cast<double>(random.below(3) * 50);
          own.back()->base_version =
              static_cast<std::int64_t>(random.below(static_cast<std::size_t>(version) + 1));
          updates.push_back({own.back().get(), first.get()});
        }
        Others others;
        others.at_work.emplace();
        for (std::size_t h = random.below(4); h > 0; --h) {
          others.at_work->push_back({50.0 * static_cast<double>(random.below(3)),
                                     test::random_submodel(*layout.architecture, random),
                                     random.below(2) == 0});
        }
        Merged merged = merge_guarded(layout, options, *current, version, updates,
                                      version > 0 ? &state : nullptr, others);
        ASSERT_TRUE(is_finite(merged.weights)) << name;
        for (std::size_t i = 0; i < layout.size(); ++i) {
          const ParameterTensor& p = layout.tensors[i];
          if (!p.buffer) continue;
          for (std::int64_t row = 0; row < p.rows(); row += 11) {
            const std::vector<float> values = values_of(layout, i, row, updates);
            const auto now = merged.weights[i][row].item<float>();
            const auto before = current->tensors[i][row].item<float>();
            if (values.empty()) {
              ASSERT_EQ(now, before) << name << " " << p.name;
              continue;
            }
            const auto [least, most] = std::minmax_element(values.begin(), values.end());
            const float hair = 1e-6F * std::max(std::abs(*least), std::abs(*most));
            ASSERT_GE(now, *least - hair) << name << " " << p.name;
            ASSERT_LE(now, *most + hair) << name << " " << p.name;
            if (p.role != TensorRole::running_variance) continue;
            ASSERT_GE(now, 0) << name << " " << p.name;
          }
        }
        state = std::move(merged.state);
        current = std::make_shared<TensorWeights>(std::move(merged.weights), merged.trained);
      }
    }
  }
}

// Weighted by shares, also for a rule that combines changes in another way.
TEST(RunningStatistics, AreTheMeanByShares) {
  const Layout layout = with_batch_norm();
  const TensorWeights current(initial_tensors(layout, 1), Trained(layout.size()));
  const Submodel full = full_submodel(*layout.architecture);
  for (const RuleKind& kind : rule_kinds()) {
    const AggregationOptions options = options_of(kind.name);
    std::vector<std::unique_ptr<TensorUpdate>> own;
    std::vector<Received> updates;
    for (int u = 0; u < 3; ++u) {
      own.push_back(made_up(layout, full, static_cast<std::uint64_t>(7 + u), 0.01));
      own.back()->samples = 100 * (u + 1);
      updates.push_back({own.back().get(), &current});
    }
    const Others nobody{.at_work = std::vector<Holder>()};
    const Merged merged = merge_guarded(layout, options, current, 0, updates, nullptr, nobody);
    const std::vector<double>& shares = merged.report.shares;
    const double sum = shares[0] + shares[1] + shares[2];
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (!layout.tensors[i].buffer) continue;
      Tensor mean = at::zeros(layout.tensors[i].shape, at::kDouble);
      for (std::size_t u = 0; u < 3; ++u) {
        mean += shares[u] / sum * own[u]->brings[i].to(at::kDouble);
      }
      EXPECT_LT((merged.weights[i].to(at::kDouble) - mean).abs().max().item<double>(), 1e-6)
          << kind.name << " " << layout.tensors[i].name;
    }
  }
}

struct Pair {
  Layout layout = test::layout_of({.architecture = "mlp", .classes = 3, .image_size = 4});
  TensorWeights current{initial_tensors(layout, 1), Trained(layout.size())};
  std::vector<std::unique_ptr<TensorUpdate>> own;
  std::vector<Received> updates;

  explicit Pair(const std::vector<double>& changes) {
    for (std::size_t u = 0; u < changes.size(); ++u) {
      own.push_back(made_up(layout, full_submodel(*layout.architecture), u + 1, changes[u]));
      own.back()->samples = 10;
      updates.push_back({own.back().get(), &current});
    }
  }
};

TEST(GuardedMerge, LeavesOutTheUpdateThatWouldMakeTheVersionInfinite) {
  Pair three({0.01, 0.01, 0.01});
  for (Tensor& t : three.own[1]->brings) t.fill_(huge);
  // The result would be twice the largest number.
  const AggregationOptions options = options_of("fedavgm", "learning_rate = 10");
  const Merged merged =
      merge_guarded(three.layout, options, three.current, 0, three.updates, nullptr);
  EXPECT_EQ(merged.report.left_out, std::vector<std::size_t>{1});
  EXPECT_EQ(merged.report.shares[1], 0);
  EXPECT_NEAR(merged.report.shares[0], 0.5, 1e-12);
  EXPECT_TRUE(is_finite(merged.weights));
  // As if the update had not been there.
  const Merged two = merge_guarded(three.layout, options, three.current, 0,
                                   {three.updates[0], three.updates[2]}, nullptr);
  for (std::size_t i = 0; i < three.layout.size(); ++i) {
    EXPECT_TRUE(at::equal(merged.weights[i], two.weights[i]));
  }
}

// If a square in the rule's state overflowed, all further steps would be 0 without notice.
TEST(GuardedMerge, KeepsInfinityOutOfWhatARuleRemembers) {
  Pair two({0.01, 0.01});
  for (Tensor& t : two.own[0]->brings) t.fill_(1e30F);
  const Merged merged =
      merge_guarded(two.layout, options_of("fedadam"), two.current, 0, two.updates, nullptr);
  EXPECT_EQ(merged.report.left_out, std::vector<std::size_t>{0});
  for (const Tensors& slot : merged.state.slots) EXPECT_TRUE(is_finite(slot));
}

TEST(GuardedMerge, WithNothingLeftTheVersionIsTheOneBefore) {
  Pair one({0.01});
  for (Tensor& t : one.own[0]->brings) t.fill_(huge);
  const Merged merged = merge_guarded(one.layout, options_of("fedavgm", "learning_rate = 10"),
                                      one.current, 0, one.updates, nullptr);
  EXPECT_EQ(merged.report.left_out, std::vector<std::size_t>{0});
  for (std::size_t i = 0; i < one.layout.size(); ++i) {
    EXPECT_TRUE(merged.weights[i].is_same(one.current.tensors[i]));
  }
}

TEST(GuardedMerge, BoundsAnUpdateByTheMedianOfTheOthers) {
  Pair five({0.01, 0.01, 0.01, 0.01, 10});
  const AggregationOptions options = options_of("coverage", "norm_bound = 3");
  const Merged merged = merge_guarded(five.layout, options, five.current, 0, five.updates, nullptr);
  EXPECT_EQ(merged.report.limited, std::vector<std::size_t>{4});
  EXPECT_TRUE(merged.report.left_out.empty());
  ASSERT_EQ(merged.state.sizes.size(), 5);
  EXPECT_NEAR(merged.state.sizes[4] / 0.03, 1, 0.05);  // randn has a root mean square of about 1
  // An update alone in its aggregation is also bounded, by those of earlier aggregations.
  const Merged alone =
      merge_guarded(five.layout, options, five.current, 1, {five.updates[4]}, &merged.state);
  EXPECT_EQ(alone.report.limited, std::vector<std::size_t>{0});
  EXPECT_NEAR(alone.state.sizes.back() / 0.03, 1, 0.05);
  // Without other updates there is no bound.
  const Merged first =
      merge_guarded(five.layout, options, five.current, 0, {five.updates[4]}, nullptr);
  EXPECT_TRUE(first.report.limited.empty());
}

TEST(GuardedMerge, TheBoundIsOffUnlessAskedFor) {
  Pair two({0.01, 10});
  const Merged merged =
      merge_guarded(two.layout, options_of("coverage"), two.current, 0, two.updates, nullptr);
  EXPECT_TRUE(merged.report.limited.empty());
  EXPECT_TRUE(merged.state.is_empty());
}

}  // namespace
}  // namespace convoy::engine
