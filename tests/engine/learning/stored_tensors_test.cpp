// Tests updates and states that wait in files: whatever waits there, and in how many stretches a
// tensor is taken, aggregations give the same bits.

#include "engine/learning/stored_tensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "engine/learning/encoded_update.hpp"
#include "engine/learning/guarded_merge.hpp"
#include "engine/learning/initial.hpp"
#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// To the bit, also of NaN and -0.
bool is_same(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}
bool are_same(const Tensors& a, const Tensors& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), is_same);
}

class StoredTensorsTest : public testing::Test {
 protected:
  std::filesystem::path next_file() { return folder.path() / std::to_string(++files); }
  std::size_t files_there() const {
    return static_cast<std::size_t>(std::distance(
        std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()));
  }

  // With running statistics and all kinds of submodels, of one or all of seven labels, sent
  // compressed or not; some of a model that was sent compressed.
  std::shared_ptr<TensorUpdate> random_update(const Layout& layout, std::uint64_t number) {
    auto update = std::make_shared<TensorUpdate>();
    const Architecture& a = *layout.architecture;
    update->submodel = random.below(2) ? full_submodel(a) : test::random_submodel(a, random);
    update->samples = static_cast<double>(random.below(50));
    update->rate = 0.25 * static_cast<double>(1 + random.below(4));
    update->steps = static_cast<std::int64_t>(random.below(9));
    update->base_version = static_cast<std::int64_t>(random.below(4));
    for (int label = 0; label < 7; ++label) {
      if (random.below(3) > 0) update->labels.push_back(label);
    }
    if (update->labels.empty()) update->labels.push_back(2);
    if (random.below(4) == 0) update->received_as = SentModel{{.keep = 0.3}, false};
    at::Generator generator = make_generator(at::kCPU, number);
    Tensors full;
    for (const ParameterTensor& p : layout.tensors) {
      full.push_back(at::randn(p.shape, generator).mul_(random.below(5) == 0 ? 1e3 : 0.1));
      if (p.buffer) full.back().abs_();
    }
    update->brings = slice(full, layout, update->submodel, at::kCPU);
    if (random.below(3) > 0) return update;
    const Compression how{.keep = 0.2, .drawn = random.below(2) == 0, .bits = 8, .feedback = false};
    return std::const_pointer_cast<TensorUpdate>(compress(layout, *update, how, {}, number).update);
  }

  void expect_same(const TensorUpdate& a, const TensorUpdate& b) {
    EXPECT_TRUE(are_same(a.brings, b.brings));
    EXPECT_TRUE(are_same(a.squares, b.squares));
    EXPECT_EQ(a.submodel.kept, b.submodel.kept);
    EXPECT_EQ(a.samples, b.samples);
    EXPECT_EQ(a.rate, b.rate);
    EXPECT_EQ(a.base_version, b.base_version);
    EXPECT_EQ(a.steps, b.steps);
    EXPECT_EQ(a.labels, b.labels);
    EXPECT_EQ(a.received_as, b.received_as);
    EXPECT_EQ(a.compression, b.compression);
    EXPECT_EQ(a.draw, b.draw);
    ASSERT_EQ(a.encoded.size(), b.encoded.size());
    for (std::size_t i = 0; i < a.encoded.size(); ++i) {
      EXPECT_EQ(a.encoded[i].places, b.encoded[i].places);
      EXPECT_EQ(a.encoded[i].values, b.encoded[i].values);
      EXPECT_EQ(a.encoded[i].scale, b.encoded[i].scale);
    }
  }

  const std::uint64_t seed = std::random_device()();
  testing::ScopedTrace says_seed{__FILE__, __LINE__, "seed " + std::to_string(seed)};
  base::Random random{{seed}};
  convoy::test::TemporaryFolder folder;
  int files = 0;
};

TEST_F(StoredTensorsTest, UpdatesComeBackToTheBit) {
  const Layout layout(test::small_with_norms(7));
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto update = random_update(layout, i);
    if (random.below(2) == 0) {
      update->squares.resize(layout.size());
      update->squares[1] = at::rand({4, 5});
    }
    update->brings[0].view({-1})[0] = -0.0F;
    update->brings[0].view({-1})[1] = std::numeric_limits<float>::quiet_NaN();
    const std::shared_ptr<const TensorUpdate> there = stored(*update, next_file());
    EXPECT_EQ(files_there(), 1U);
    EXPECT_EQ(there->bytes(), 0U);
    EXPECT_GE(update->bytes(), update->brings[0].nbytes());
    expect_same(*update, *in_memory(there));
    expect_same(*update, *in_memory(*there));
    for (std::size_t t = 0; t < layout.size(); ++t) {
      ASSERT_EQ(there->has(t), update->has(t));
      if (update->has(t)) {
        EXPECT_TRUE(is_same(there->tensor(t), update->tensor(t)));
      }
    }
    EXPECT_EQ(there->has_squares(), update->has_squares());
  }
  EXPECT_EQ(files_there(), 0U);
}

TEST_F(StoredTensorsTest, StatesComeBackToTheBit) {
  for (int i = 0; i < 20; ++i) {
    const auto made = std::make_shared<TensorState>();
    TensorState& state = *made;
    state.submodel.depth = i;
    state.submodel.kept = {{1, 2, i}};
    const auto some = [&] {
      Tensors list(random.below(4));
      for (Tensor& t : list) {
        if (random.below(3) > 0) t = at::randn({1 + static_cast<std::int64_t>(random.below(5)), 2});
      }
      return list;
    };
    state.logits = some();
    state.residual = some();
    state.squares = some();
    state.own = some();
    if (random.below(2) == 0) {
      state.optimizer.emplace();
      state.optimizer->steps = i;
      for (std::uint64_t slot = random.below(4); slot > 0; --slot) {
        state.optimizer->slots.push_back(some());
      }
    }
    const auto there = stored(std::shared_ptr<const NodeState>(made), next_file());
    EXPECT_EQ(submodel_in(*there).kept, state.submodel.kept);
    EXPECT_EQ(there->bytes(), 0U);
    const auto read = in_memory(there);
    EXPECT_EQ(read->bytes(), state.bytes());
    EXPECT_EQ(read->submodel.depth, i);
    EXPECT_TRUE(are_same(read->logits, state.logits));
    EXPECT_TRUE(are_same(read->residual, state.residual));
    EXPECT_TRUE(are_same(read->squares, state.squares));
    EXPECT_TRUE(are_same(read->own, state.own));
    ASSERT_EQ(read->optimizer.has_value(), state.optimizer.has_value());
    if (!state.optimizer) continue;
    EXPECT_EQ(read->optimizer->steps, i);
    ASSERT_EQ(read->optimizer->slots.size(), state.optimizer->slots.size());
    for (std::size_t s = 0; s < state.optimizer->slots.size(); ++s) {
      EXPECT_TRUE(are_same(read->optimizer->slots[s], state.optimizer->slots[s]));
    }
  }
  EXPECT_EQ(files_there(), 0U);
}

// By every rule, of random submodels, some far too large, some so large that a version would
// overflow; with and without a bound of the norm; any of them in files; in stretches of any length.
TEST_F(StoredTensorsTest, AnAggregationHasTheSameBitsWhateverWaitsInFiles) {
  const Layout layout(test::small_with_norms(7));
  for (const RuleKind& kind : rule_kinds()) {
    SCOPED_TRACE(kind.name);
    base::Diagnostics problems;
    const base::Value table = base::parse_toml(
        "aggregation = { rule = \"" + kind.name + "\", norm_bound = 3 }", "test", problems);
    base::TableReader reader(table, "schedule", problems);
    AggregationOptions options = read_aggregation(reader);
    for (std::uint64_t trial = 0; trial < 3; ++trial) {
      if (trial == 1) options.norm_bound = 0;
      const TensorWeights current(initial_tensors(layout, trial), Trained(layout.size()));
      std::vector<std::shared_ptr<const TensorUpdate>> updates;
      std::vector<std::shared_ptr<const TensorUpdate>> waiting;
      std::vector<std::unique_ptr<TensorWeights>> bases;
      std::vector<Received> all;
      std::vector<Received> some_stored;
      const std::uint64_t count = 1 + random.below(6);
      for (std::uint64_t u = 0; u < count; ++u) {
        auto update = random_update(layout, 100 * trial + u);
        if (random.below(6) == 0) update->brings[0].fill_(3e38F);
        updates.push_back(update);
        waiting.push_back(random.below(3) > 0 ? stored(*update, next_file()) : update);
        Tensors base;
        for (const Tensor& t : current.tensors) base.push_back(random.below(2) ? t : t + 0.01);
        bases.push_back(std::make_unique<TensorWeights>(base, Trained(layout.size())));
        all.push_back({updates.back().get(), bases.back().get()});
        some_stored.push_back({waiting.back().get(), bases.back().get()});
      }
      Others others;
      others.at_work.emplace();
      others.at_work->push_back({15, full_submodel(*layout.architecture), false});
      const auto expect_same = [](const Merged& a, const Merged& b) {
        EXPECT_TRUE(are_same(a.weights, b.weights));
        EXPECT_EQ(a.report.shares, b.report.shares);
        EXPECT_EQ(a.report.left_out, b.report.left_out);
        EXPECT_EQ(a.report.limited, b.report.limited);
        EXPECT_EQ(a.report.coverage_min, b.report.coverage_min);
        EXPECT_EQ(a.report.untrained, b.report.untrained);
        ASSERT_EQ(a.state.slots.size(), b.state.slots.size());
        for (std::size_t s = 0; s < a.state.slots.size(); ++s) {
          EXPECT_TRUE(are_same(a.state.slots[s], b.state.slots[s]));
        }
        EXPECT_EQ(a.state.sizes, b.state.sizes);
      };
      const Merged first = merge_guarded(layout, options, current, 4, all, nullptr, others);
      const Merged same = merge_guarded(layout, options, current, 4, some_stored, nullptr, others);
      expect_same(first, same);
      const RuleState* before = &first.state;
      const Merged next = merge(layout, *options.rule, current, 5, all, before, others);
      for (int stretch = 0; stretch < 2; ++stretch) {
        expect_same(next, merge(layout, *options.rule, current, 5, some_stored, before, others,
                                3000 + random.below(30'000)));
      }
    }
  }
}

TEST_F(StoredTensorsTest, CombinedUpdatesHaveTheSameBits) {
  const Layout layout(test::small_with_norms(7));
  for (std::uint64_t trial = 0; trial < 5; ++trial) {
    std::vector<std::shared_ptr<const TensorUpdate>> updates;
    std::vector<const TensorUpdate*> all;
    std::vector<std::shared_ptr<const TensorUpdate>> waiting;
    std::vector<const TensorUpdate*> some_stored;
    for (std::uint64_t u = 0; u < 3; ++u) {
      updates.push_back(random_update(layout, u));
      waiting.push_back(random.below(3) > 0 ? stored(*updates.back(), next_file())
                                            : updates.back());
      all.push_back(updates.back().get());
      some_stored.push_back(waiting.back().get());
    }
    expect_same(*combine(layout, all, trial % 2 == 0),
                *combine(layout, some_stored, trial % 2 == 0));
  }
}

// The engine's: what is no update, or a rule's state, stays as it is; what waits in a file goes
// wherever another would.
TEST_F(StoredTensorsTest, TheEngineTakesThemForWhatTheyAre) {
  EngineOptions options;
  options.architecture = test::small_with_norms(4);
  options.train = test::striped_images(64, 4, 16);
  options.test = options.train;
  options.parts = test::dealt(64, 2);
  options.training.keep_optimizer = true;
  options.training.optimizer.kind = OptimizerKind::adan;
  options.training.optimizer.betas = {0.98, 0.92, 0.99};
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  EXPECT_EQ(engine->set_aside(std::static_pointer_cast<const Artifact>(start), next_file()), start);
  const auto train = [&](std::int64_t task, const std::shared_ptr<const NodeState>& state) {
    TaskInput input{.node = 1, .task = task, .received = start, .state = state};
    input.brief.batch = 8;
    const auto part = test::begin(*engine, input, {});
    part->train(1, {});
    return part->finish();
  };
  const Outcome first = train(1, nullptr);
  ASSERT_GT(first.state->bytes(), first.result->bytes());
  const auto update = engine->set_aside(first.result, next_file());
  const auto state = engine->set_aside(first.state, next_file());
  EXPECT_EQ(engine->set_aside(update, next_file()), update);
  EXPECT_EQ(engine->set_aside(state, next_file()), state);
  EXPECT_EQ(files_there(), 2U);
  // The next task goes on from the state.
  expect_same(test::update_of(train(2, first.state)), test::update_of(train(2, state)));
  // Files of a checkpoint, the next version of one update, an aggregation.
  const auto content = [&](const auto& what) {
    const auto file = folder.path() / "kept";
    engine->save(*what, file);
    return convoy::test::read_file(file);
  };
  EXPECT_EQ(content(first.result), content(update));
  EXPECT_EQ(content(first.state), content(state));
  std::filesystem::remove(folder.path() / "kept");
  EXPECT_TRUE(are_same(inside(*engine->next_version(start, first.result)).tensors,
                       inside(*engine->next_version(start, update)).tensors));
  const auto aggregated = test::aggregate(*engine, start, {{first.result, start}, {update, start}});
  const auto in_memory =
      test::aggregate(*engine, start, {{first.result, start}, {first.result, start}});
  EXPECT_TRUE(are_same(inside(*aggregated.weights).tensors, inside(*in_memory.weights).tensors));
  // A file that somebody has changed.
  std::ofstream(next_file()) << "";
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    std::ofstream(entry.path()) << "other";
  }
  EXPECT_THAT(
      [&] {
        test::aggregate(*engine, start, {{update, start}});
      },
      ThrowsMessage<base::UserError>(HasSubstr("is truncated")));
  EXPECT_THAT([&] { train(3, state); }, ThrowsMessage<base::UserError>(HasSubstr("is truncated")));
}

}  // namespace
}  // namespace convoy::engine
