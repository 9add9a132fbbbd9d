// Tests that stages together compute what the whole model does, wherever it is cut.

#include "engine/learning/stage.hpp"

#include <algorithm>
#include <limits>

#include "tests/engine/learning/stage_chain.hpp"

namespace convoy::engine {
namespace {

using namespace test;  // NOLINT(*-using-namespace)

// One micro-batch forward and back at a cut, against one graph of the whole.
void expect_same_crossing(const Model& model, int cut, const Batch& batch,
                          const Tensors& whole_gradients, double tolerance) {
  Chain chain(model, {cut}, stage_options());
  chain.forward(0, batch);
  chain.backward(0);
  const auto [crossed, slopes, gradients] = at_cut(model, cut, batch);
  expect_near(chain.sent.at(0).front(), crossed, tolerance, model.at(cut) + ", forward");
  expect_near(chain.came.at(0).front(), slopes, tolerance, model.at(cut) + ", backward");
  expect_near(chain.gradients(), whole_gradients, tolerance, model.at(cut));
}

TEST(StageTraining, WhereOneTensorCrossesTwoStagesHaveTheBitsOfTheWhole) {
  for (const std::string& name : names()) {
    const Model model(options_of(name));
    const std::vector<Batch> batches = {model.batch(4, 5), model.batch(4, 6)};
    const Whole whole = train_whole(model, batches, stage_options());
    const std::vector<int> positions = cuts(model.traced);
    ASSERT_FALSE(positions.empty()) << name;
    for (const int cut : positions) {
      expect_same_crossing(model, cut, batches.front(), whole.gradients.front(), 0);
      Chain chain(model, {cut}, stage_options());
      train(chain, batches);
      expect_as_whole(chain, whole, model.at(cut));
      EXPECT_TRUE(chain.stages[0]->is_finite() && chain.stages[1]->is_finite());
    }
  }
}

TEST(StageTraining, WhereSeveralTensorsCrossItIsTheWholeUpToRounding) {
  for (const char* name : {"resnet18-cifar", "vit-micro", "bert-small"}) {
    for (const bool is_double : {false, true}) {
      Model model(options_of(name));
      if (is_double) model.use_double();
      const Batch batch = model.batch(4);
      const Tensors gradients = train_whole(model, {batch}, stage_options()).gradients.front();
      const std::vector<WideCut> wide = wide_cuts(model.traced);
      ASSERT_FALSE(wide.empty()) << name;
      for (std::size_t i = is_double ? 1 : 0; i < wide.size(); i += 7) {
        expect_same_crossing(model, wide[i].cut, batch, gradients, is_double ? 1e-10 : 1e-5);
      }
    }
  }
}

TEST(StageTraining, FourStagesAreTheWhole) {
  base::Random random({11});
  for (const std::string& name : names()) {
    const Model model(options_of(name));
    const std::vector<Batch> batches = {model.batch(4, 5), model.batch(4, 6)};
    const Whole whole = train_whole(model, batches, stage_options());
    std::vector<int> single = cuts(model.traced);
    std::vector<int> any;
    for (int cut = 1; cut < static_cast<int>(model.traced.layers.size()); ++cut) any.push_back(cut);
    for (std::vector<int>* positions : {&single, &any}) {
      base::shuffle(*positions, random);
      positions->resize(std::min<std::size_t>(positions->size(), 3));
      std::sort(positions->begin(), positions->end());
    }
    Chain chain(model, single, stage_options());
    train(chain, batches);
    expect_as_whole(chain, whole, name);

    Model exact(options_of(name));
    exact.use_double();
    const Batch batch = exact.batch(4);
    Chain wide(exact, any, stage_options());
    wide.forward(0, batch);
    wide.backward(0);
    expect_near(wide.gradients(), train_whole(exact, {batch}, stage_options()).gradients.front(),
                1e-10, name);
  }
}

TEST(StageTraining, MicroBatchesAddUpToTheBatch) {
  for (const char* name : {"mlp", "cnn-small", "vit-micro", "bert-small"}) {
    Model model(options_of(name));
    model.use_double();
    const int middle = cuts(model.traced)[cuts(model.traced).size() / 2];
    const Batch batch = model.batch(8);
    const Whole whole = train_whole(model, {batch}, stage_options());
    for (const std::vector<int>& sizes : {std::vector{2, 2, 2, 2}, std::vector{5, 3}}) {
      Chain chain(model, {middle}, stage_options());
      for (int m = 0, from = 0; m < static_cast<int>(sizes.size()); ++m) {
        const int size = sizes[static_cast<std::size_t>(m)];
        chain.forward(m, rows(batch, from, size), size / 8.0);
        from += size;
      }
      for (int m = 0; m < static_cast<int>(sizes.size()); ++m) chain.backward(m);
      expect_near(chain.gradients(), whole.gradients.front(), 1e-10, model.at(middle));
      EXPECT_NEAR(chain.loss(), whole.loss, 1e-10 * whole.loss) << name;
      EXPECT_EQ(chain.stages[0]->samples(), 8);
    }
  }
}

// Shares of 1/4 change no bits.
TEST(StageTraining, EqualMicroBatchesAreTheSumOfTheirGradientsToTheBit) {
  const Model model(options_of("cnn-small"));
  const Batch batch = model.batch(8);
  Tensors sum(model.layout.size());
  Chain chain(model, {cuts(model.traced)[1]}, stage_options());
  for (int m = 0; m < 4; ++m) {
    const Batch part = rows(batch, 2 * m, 2);
    chain.forward(m, part, 0.25);
    chain.backward(m);
    const Tensors own = train_whole(model, {part}, stage_options()).gradients.front();
    for (std::size_t i = 0; i < sum.size(); ++i) {
      if (!own[i].defined()) continue;
      sum[i] = sum[i].defined() ? sum[i] + own[i] / 4 : own[i] / 4;
    }
  }
  expect_near(chain.gradients(), sum, 0, "gradients");
}

Model with_dropout(const std::string& name) {
  ModelOptions options = options_of(name);
  options.dropout = 0.5;
  options.attention_dropout = 0.2;
  options.stochastic_depth = 0.5;
  return Model(options);
}

void expect_same_masks(const Model& model) {
  const std::vector<int> positions = cuts(model.traced);
  const std::vector<int> middle = {positions[positions.size() / 3],
                                   positions[positions.size() / 2]};
  const Batch batch = model.batch(4);
  Chain kept(model, middle, stage_options());
  Chain recomputed(model, middle, stage_options());
  Chain one(model, {}, stage_options());
  StageOptions other = stage_options();
  other.draws = 2;
  Chain others(model, {}, other);
  for (int m = 0; m < 2; ++m) {
    kept.forward(m, rows(batch, 2 * m, 2), 0.5);
    recomputed.forward(m, rows(batch, 2 * m, 2), 0.5, true);
    one.forward(m, rows(batch, 2 * m, 2), 0.5);
    others.forward(m, rows(batch, 2 * m, 2), 0.5);
    expect_near(recomputed.sent[m][0], kept.sent[m][0], 0, "forward");
    expect_near(recomputed.sent[m][1], kept.sent[m][1], 0, "forward");
  }
  for (int m = 0; m < 2; ++m) {
    for (Chain* chain : {&kept, &recomputed, &one, &others}) chain->backward(m);
    expect_near(recomputed.came[m][0], kept.came[m][0], 0, "backward");
  }
  expect_near(recomputed.gradients(), kept.gradients(), 0, "recomputed");
  expect_near(one.gradients(), kept.gradients(), 0, "masks do not depend on the cuts");
  double most = 0;
  const Tensors a = kept.gradients();
  const Tensors b = others.gradients();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].defined()) most = std::max(most, difference(a[i], b[i]));
  }
  EXPECT_GT(most, 0.1) << "no dropout";
}

TEST(StageTraining, ARecomputedForwardDrawsTheSameMasks) {
  expect_same_masks(with_dropout("vit-micro"));
  expect_same_masks(with_dropout("efficientnet-b1"));
}

TEST(StageTraining, MicroBatchesInAnyOrderGiveTheSame) {
  const Model model = with_dropout("vit-micro");
  const int middle = cuts(model.traced)[cuts(model.traced).size() / 2];
  const Batch batch = model.batch(4);
  Chain rising(model, {middle}, stage_options());
  Chain mixed(model, {middle}, stage_options());
  for (const int m : {0, 1, 2}) rising.forward(m, batch, 1.0 / 3);
  for (const int m : {2, 0, 1}) mixed.forward(m, batch, 1.0 / 3);
  for (const int m : {0, 1, 2}) {
    expect_near(mixed.sent[m][0], rising.sent[m][0], 0, "forward");
    rising.backward(m);
  }
  for (const int m : {1, 2, 0}) mixed.backward(m);
  for (const int m : {0, 1, 2}) {
    expect_near(mixed.came[m][0], rising.came[m][0], 0, "backward");
  }
  // The same samples draw other masks in another micro-batch.
  const int number = rising.sent[0][0].rbegin()->first;
  EXPECT_FALSE(at::equal(rising.sent[0][0].at(number), rising.sent[1][0].at(number)));
}

}  // namespace
}  // namespace convoy::engine
