// Tests aggregation against independently computed values, and whole tasks.

#include "engine/learning/aggregation.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/learning/initial.hpp"
#include "engine/learning/local_training.hpp"
#include "engine/model/batches.hpp"
#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

ModelOptions mlp(int image = 4, int classes = 3) {
  ModelOptions options;
  options.architecture = "mlp";
  options.classes = classes;
  options.image_size = image;
  return options;
}

// A rule as named in [schedule] aggregation, with further keys.
std::shared_ptr<const Rule> rule(const std::string& name, const std::string& keys = "") {
  base::Diagnostics problems;
  const base::Value table = base::parse_toml(
      "aggregation = { rule = \"" + name + "\"" + (keys.empty() ? "" : ", " + keys) + " }", "test",
      problems);
  base::TableReader reader(table, "schedule", problems);
  auto made = read_aggregation(reader).rule;
  EXPECT_EQ(problems.str(), "");
  return made;
}

std::unique_ptr<TensorUpdate> random_update(const Layout& layout, const Submodel& submodel,
                                            double samples, double rate, std::uint64_t seed) {
  auto update = std::make_unique<TensorUpdate>();
  update->submodel = submodel;
  update->samples = samples;
  update->rate = rate;
  at::Generator generator = make_generator(at::kCPU, seed);
  Tensors full;
  for (const ParameterTensor& p : layout.tensors) full.push_back(at::randn(p.shape, generator));
  update->brings = slice(full, layout, submodel, at::kCPU);
  return update;
}

// One element of a full tensor in an update; nothing if the update does not hold it.
std::optional<double> at_element(const Layout& layout, const TensorUpdate& update,
                                 std::size_t tensor, std::int64_t row, std::int64_t column) {
  const ParameterTensor& p = layout.tensors[tensor];
  if (!update.brings[tensor].defined()) return {};
  const Kept kept = kept_of(p, *layout.architecture, update.submodel);
  const auto place = [](const std::vector<std::int64_t>& kept_here, std::int64_t index) {
    if (kept_here.empty()) return index;
    const auto found = std::find(kept_here.begin(), kept_here.end(), index);
    return found == kept_here.end() ? std::int64_t{-1} : found - kept_here.begin();
  };
  const std::int64_t r = place(kept.rows, row);
  const std::int64_t c = place(kept.columns, column);
  if (r < 0 || c < 0) return {};
  const Tensor t = update.brings[tensor];
  return t.dim() == 1 ? t[r].item<double>() : t[r][c].item<double>();
}

class Aggregation : public testing::Test {
 protected:
  Aggregation() {
    base::Random random({8});
    const Architecture& a = *layout.architecture;
    for (int i = 0; i < 4; ++i) {
      const Submodel s = i == 0 ? nested_submodel(a, 0.5) : test::random_submodel(a, random);
      updates.push_back(random_update(layout, s, 10 * (i + 1), 0.25 * (i + 1), 20 + i));
      Tensors base;
      for (const Tensor& t : current.tensors) base.push_back(t + 0.01 * i);
      bases.push_back(std::make_unique<TensorWeights>(base, Trained(layout.size())));
      received.push_back({updates.back().get(), bases.back().get()});
    }
  }

  // Compares some elements of every tensor with `expected(tensor, row, column)`.
  template <class Expected>
  void compare(const Merged& merged, Expected expected) {
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const Tensor& before = current.tensors[i];
      for (std::int64_t row = 0; row < before.size(0); row += 3) {
        const std::int64_t columns = before.dim() > 1 ? before.size(1) : 1;
        for (std::int64_t column = 0; column < columns; column += 7) {
          const auto value = [&](const Tensor& t) {
            return t.dim() == 1 ? t[row].item<double>() : t[row][column].item<double>();
          };
          ASSERT_NEAR(value(merged.weights[i]) - value(before), expected(i, row, column), 2e-6)
              << layout.tensors[i].name << " " << row << " " << column;
        }
      }
    }
  }

  Layout layout = test::layout_of(mlp());
  TensorWeights current{initial_tensors(layout, 1), Trained(layout.size())};
  std::vector<std::unique_ptr<TensorUpdate>> updates;
  std::vector<std::unique_ptr<TensorWeights>> bases;
  std::vector<Received> received;
};

// Of random submodels at work, one of which only the sizes are known of.
TEST_F(Aggregation, InFlightCountsWhatThoseAtWorkHold) {
  base::Random random({9});
  const Architecture& a = *layout.architecture;
  Others others;
  others.at_work.emplace();
  std::vector<std::unique_ptr<TensorUpdate>> held;  // shows what a submodel holds
  for (int i = 0; i < 5; ++i) {
    const Submodel s = i == 0 ? full_submodel(a) : test::random_submodel(a, random);
    others.at_work->push_back({15.0 * (i + 1), s, i == 1});
    held.push_back(random_update(layout, s, 1, 1, 1));
  }
  const Merged merged = merge(layout, *rule("in-flight"), current, 0, received, nullptr, others);
  compare(merged, [&](std::size_t i, std::int64_t row, std::int64_t column) {
    double sum = 0;
    double buffered = 0;
    for (const auto& update : updates) {
      const auto delta = at_element(layout, *update, i, row, column);
      if (!delta) continue;
      sum += update->samples * *delta;
      buffered += update->samples;
    }
    double in_flight = buffered;
    for (std::size_t h = 0; h < held.size(); ++h) {
      const Tensor& part = held[h]->brings[i];
      const Holder& holder = others.at_work->at(h);
      if (holder.is_expected) {
        if (part.defined()) {
          in_flight += holder.samples * static_cast<double>(part.numel()) /
                       static_cast<double>(current.tensors[i].numel());
        }
      } else if (at_element(layout, *held[h], i, row, column)) {
        in_flight += holder.samples;
      }
    }
    return buffered > 0 ? sum / (buffered / 2 + in_flight / 2) : 0.0;
  });
}

TEST_F(Aggregation, InFlightWithoutWordOfWhoIsAtWorkIsRefused) {
  EXPECT_THROW(merge(layout, *rule("in-flight"), current, 0, received), base::UserError);
}

TEST_F(Aggregation, CoverageAveragesOverThoseThatHoldAParameter) {
  const Merged merged = merge(layout, *rule("coverage"), current, 0, received);
  std::int64_t fewest = 1000;
  compare(merged, [&](std::size_t i, std::int64_t row, std::int64_t column) {
    double sum = 0;
    double weight = 0;
    for (const auto& update : updates) {
      const auto delta = at_element(layout, *update, i, row, column);
      if (!delta) continue;
      sum += update->samples * *delta;
      weight += update->samples;
    }
    return weight > 0 ? sum / weight : 0.0;
  });
  for (std::size_t i = 0; i < layout.size(); ++i) {
    for (std::int64_t r = 0; r < layout.tensors[i].shape[0]; ++r) {
      const std::int64_t columns =
          layout.tensors[i].shape.size() > 1 ? layout.tensors[i].shape[1] : 1;
      for (std::int64_t c = 0; c < columns; ++c) {
        std::int64_t holders = 0;
        for (const auto& u : updates) holders += at_element(layout, *u, i, r, c) ? 1 : 0;
        fewest = std::min(fewest, holders);
      }
    }
  }
  EXPECT_EQ(merged.report.coverage_min, fewest);
  double sum = 0;
  for (const double s : merged.report.shares) sum += s;
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST_F(Aggregation, DriftIsThePublishedRule) {
  for (const bool relative : {false, true}) {
    std::vector<double> scores;
    double total = 0;
    for (std::size_t u = 0; u < updates.size(); ++u) {
      double size = 0;
      double drift = 0;
      for (std::size_t i = 0; i < layout.size(); ++i) {
        if (updates[u]->brings[i].defined()) {
          size += updates[u]->brings[i].to(at::kDouble).abs().sum().item<double>();
        }
        drift +=
            (current.tensors[i] - bases[u]->tensors[i]).to(at::kDouble).abs().sum().item<double>();
      }
      const double scale = relative ? 1 + drift / size : drift + 1;
      scores.push_back(size / updates[u]->rate / scale);
      total += scores.back();
    }
    const auto drift = rule(relative ? "drift-relative" : "drift");
    const Merged merged = merge(layout, *drift, current, 5, received);
    for (std::size_t u = 0; u < updates.size(); ++u) {
      EXPECT_NEAR(merged.report.shares[u], scores[u] / total, 1e-5);
    }
    compare(merged, [&](std::size_t i, std::int64_t row, std::int64_t column) {
      double sum = 0;
      for (std::size_t u = 0; u < updates.size(); ++u) {
        const auto delta = at_element(layout, *updates[u], i, row, column);
        if (delta) sum += scores[u] / total * *delta;
      }
      return sum;
    });
  }
}

TEST_F(Aggregation, WhatNobodyHoldsStaysAndIsCounted) {
  const Architecture& a = *layout.architecture;
  const auto half = random_update(layout, nested_submodel(a, 0.5), 1, 0.5, 4);
  const Merged merged = merge(layout, *rule("coverage"), current, 0, {{half.get(), nullptr}});
  EXPECT_EQ(merged.report.coverage_min, 0);
  const Trace part = trace(a, half->submodel);
  const Trace full = trace(a, full_submodel(a));
  EXPECT_NEAR(merged.report.untrained, 1 - part.parameters() / full.parameters(), 1e-9);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (half->brings[i].defined()) continue;
    EXPECT_TRUE(merged.weights[i].is_same(current.tensors[i])) << "shared, not copied";
  }
  // Together with the elements of another update, every parameter has been trained.
  const TensorWeights next(merged.weights, merged.trained);
  const auto all = random_update(layout, full_submodel(a), 1, 1, 5);
  EXPECT_EQ(merge(layout, *rule("coverage"), next, 0, {{all.get(), nullptr}}).report.untrained, 0);
}

// If submodels are cut by depth alone, a tensor is either complete or in no update.
TEST(Coverage, CountsTheTensorsThatNobodyHolds) {
  ModelOptions model;
  model.architecture = "vit-micro";
  model.classes = 4;
  model.exits = {0.5, 1.0};
  const Layout layout = test::layout_of(model);
  const TensorWeights current{initial_tensors(layout, 1), Trained(layout.size())};
  const auto shallow = random_update(layout, depth_submodel(*layout.architecture, 0.5), 1, 0.5, 4);
  const auto deep = random_update(layout, full_submodel(*layout.architecture), 1, 1, 5);
  const auto fewest = [&](const std::vector<const TensorUpdate*>& updates) {
    std::vector<Received> received;
    for (const TensorUpdate* update : updates) received.push_back({update, nullptr});
    return merge(layout, *rule("coverage"), current, 0, received).report.coverage_min;
  };
  EXPECT_EQ(fewest({shallow.get()}), 0);
  EXPECT_EQ(fewest({shallow.get(), shallow.get()}), 0);
  EXPECT_EQ(fewest({shallow.get(), deep.get()}), 1);
  EXPECT_EQ(fewest({deep.get(), shallow.get(), deep.get()}), 2);
}

TEST_F(Aggregation, MedianTakesTheMiddleOfThoseThatHoldAParameter) {
  const Merged merged = merge(layout, *rule("median"), current, 5, received);
  compare(merged, [&](std::size_t i, std::int64_t row, std::int64_t column) {
    std::vector<double> changes;
    for (const auto& update : updates) {
      const auto delta = at_element(layout, *update, i, row, column);
      if (delta) changes.push_back(*delta);
    }
    if (changes.empty()) return 0.0;
    std::sort(changes.begin(), changes.end());
    const std::size_t n = changes.size();
    return n % 2 == 1 ? changes[n / 2] : (changes[n / 2 - 1] + changes[n / 2]) / 2;
  });
}

TEST_F(Aggregation, ARuleRemembersByElementAndTheVersionBeforeKeepsItsOwn) {
  const auto momentum = rule("fedavgm", "momentum = 0.5");
  const Merged first = merge(layout, *momentum, current, 0, received);
  const RuleState before = first.state;
  Tensors copies;
  for (const Tensor& t : before.slots[0]) copies.push_back(t.defined() ? t.clone() : t);
  const TensorWeights next(first.weights, first.trained);
  const Merged second = merge(layout, *momentum, next, 1, received, &before);
  EXPECT_EQ(second.state.aggregations, 2);
  const Merged mean = merge(layout, *rule("coverage"), current, 0, received);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!before.slots[0][i].defined()) continue;
    EXPECT_TRUE(at::equal(before.slots[0][i], copies[i])) << "written over";
    // The same updates again: the first step is d, the second .5 d + d.
    const Tensor d = mean.weights[i] - current.tensors[i];
    const Tensor step = second.weights[i] - first.weights[i];
    EXPECT_LE((step - 1.5 * d).abs().max().item<double>(), 1e-5) << layout.tensors[i].name;
  }
}

TEST_F(Aggregation, WhatARuleNeedsAndIsNotThereIsSaid) {
  for (Received& r : received) r.base = nullptr;
  EXPECT_THROW(merge(layout, *rule("drift"), current, 0, received), base::UserError);
  EXPECT_NO_THROW(merge(layout, *rule("coverage"), current, 0, received));
}

// With full models the order of combining does not matter: the mean of means by samples is the
// mean.
TEST(Combine, AHierarchyOfFullModelsIsTheFlatMean) {
  const Layout layout = test::layout_of(mlp());
  const Architecture& a = *layout.architecture;
  const TensorWeights current(initial_tensors(layout, 1), Trained(layout.size()));
  std::vector<std::unique_ptr<TensorUpdate>> updates;
  std::vector<Received> flat;
  for (int i = 0; i < 5; ++i) {
    updates.push_back(random_update(layout, full_submodel(a), 10 + 7 * i, 1, 60 + i));
    updates.back()->base_version = 3 + i;
    updates.back()->steps = i;
    flat.push_back({updates.back().get(), nullptr});
  }
  const auto left = combine(layout, {updates[0].get(), updates[1].get()});
  const auto right = combine(layout, {updates[2].get(), updates[3].get(), updates[4].get()});
  EXPECT_EQ(left->samples, 10 + 17);
  EXPECT_EQ(right->base_version, 5);  // as old as the oldest one
  EXPECT_EQ(right->steps, 4);
  const Merged one = merge(layout, *rule("coverage"), current, 8, flat);
  const Merged two =
      merge(layout, *rule("coverage"), current, 8, {{left.get(), nullptr}, {right.get(), nullptr}});
  for (std::size_t i = 0; i < layout.size(); ++i) {
    EXPECT_LE((one.weights[i] - two.weights[i]).abs().max().item<double>(), 1e-5);
  }
}

TEST(Combine, HoldsWhatAnyOfThemHolds) {
  base::Random random({11});
  for (const ModelOptions& options : test::small_models()) {
    const Layout layout = test::layout_of(options);
    const Architecture& a = *layout.architecture;
    const auto x = random_update(layout, test::random_submodel(a, random), 10, 0.5, 1);
    const auto y = random_update(layout, test::random_submodel(a, random), 30, 0.25, 2);
    const auto both = combine(layout, {x.get(), y.get()});
    EXPECT_EQ(both->rate, 0.5);
    for (std::size_t g = 0; g < a.groups.size(); ++g) {
      for (const auto* one : {x.get(), y.get()}) {
        const std::vector<int>& all = both->submodel.kept[g];
        EXPECT_TRUE(std::includes(all.begin(), all.end(), one->submodel.kept[g].begin(),
                                  one->submodel.kept[g].end()));
      }
    }
    // Added to a model of zeros, it gives the mean over the updates that hold an element.
    Tensors zeros;
    for (const ParameterTensor& p : layout.tensors) zeros.push_back(at::zeros(p.shape));
    const TensorWeights nothing(zeros, Trained(layout.size()));
    const auto cover = rule("coverage");
    const Merged direct =
        merge(layout, *cover, nothing, 0, {{x.get(), nullptr}, {y.get(), nullptr}});
    const Merged through = merge(layout, *cover, nothing, 0, {{both.get(), nullptr}});
    for (std::size_t i = 0; i < layout.size(); ++i) {
      EXPECT_LE((direct.weights[i] - through.weights[i]).abs().max().item<double>(), 1e-5)
          << layout.tensors[i].name;
    }
  }
}

TEST(Scatter, PutsASliceBackByRowMaskTimesColumnMask) {
  base::Random random({5});
  for (const ModelOptions& options : test::small_models()) {
    const Layout layout = test::layout_of(options);
    const Architecture& a = *layout.architecture;
    const Tensors full = initial_tensors(layout, 9);
    const Submodel s = test::random_submodel(a, random);
    TensorUpdate update;  // holds all parameters of its submodel; the base is a model of zeros
    update.submodel = s;
    update.samples = 1;
    update.brings = slice(full, layout, s, at::kCPU);
    const Tensors& parts = update.brings;
    Tensors zeros;
    for (const Tensor& f : full) zeros.push_back(at::zeros_like(f));
    const TensorWeights nothing(zeros, Trained(layout.size()));
    const Tensors back = merge(layout, *rule("coverage"), nothing, 0, {{&update, nullptr}}).weights;
    for (std::size_t i = 0; i < full.size(); ++i) {
      if (!parts[i].defined()) continue;
      const Kept kept = kept_of(layout.tensors[i], a, s);
      // Row mask x column mask, computed with booleans.
      Tensor mask = at::zeros(full[i].sizes());
      Tensor rows = at::zeros({full[i].size(0)});
      rows.slice(0).fill_(kept.rows.empty() ? 1 : 0);
      for (const auto r : kept.rows) rows[r] = 1;
      Tensor columns = at::ones({full[i].dim() > 1 ? full[i].size(1) : 1});
      if (!kept.columns.empty()) columns.zero_();
      for (const auto c : kept.columns) columns[c] = 1;
      std::vector<std::int64_t> shape(static_cast<std::size_t>(full[i].dim()), 1);
      shape[0] = -1;
      mask = mask + rows.view(shape);
      if (full[i].dim() > 1) {
        shape[0] = 1;
        shape[1] = -1;
        mask = mask * columns.view(shape);
      }
      EXPECT_TRUE(at::equal(back[i], full[i] * mask)) << layout.tensors[i].name;
    }
  }
}

TEST(DriftRelative, NoUpdateGetsOverHalfTheWeightWithOneFreshAndSevenStaleOnes) {
  // At least a million parameters: 784-200-200-10 has 0.2 million, so use a wide image.
  const Layout layout = test::layout_of(mlp(71, 10));
  double parameters = 0;
  for (const ParameterTensor& p : layout.tensors) parameters += static_cast<double>(p.elements());
  ASSERT_GT(parameters, 1e6);
  const Architecture& a = *layout.architecture;
  const TensorWeights current(initial_tensors(layout, 1), Trained(layout.size()));
  std::vector<std::unique_ptr<TensorUpdate>> updates;
  std::vector<std::unique_ptr<TensorWeights>> bases;
  std::vector<Received> received;
  for (int i = 0; i < 8; ++i) {
    // Realistic step sizes: a local epoch moves a weight by about 1e-3, a version by a similar
    // amount.
    updates.push_back(random_update(layout, full_submodel(a), 100, 1, 30 + i));
    for (Tensor& t : updates.back()->brings) t.mul_(1e-3);
    Tensors base;
    at::Generator generator = make_generator(at::kCPU, 50 + i);
    for (const Tensor& t : current.tensors) {
      base.push_back(i == 0 ? t : t + i * 1e-3 * at::randn(t.sizes(), generator));
    }
    bases.push_back(std::make_unique<TensorWeights>(base, Trained(layout.size())));
    received.push_back({updates.back().get(), bases.back().get()});
  }
  const auto relative = merge(layout, *rule("drift-relative"), current, 0, received).report.shares;
  EXPECT_LT(*std::max_element(relative.begin(), relative.end()), 0.5);
  EXPECT_EQ(std::max_element(relative.begin(), relative.end()), relative.begin());
  // The published "+ 1" is negligible here: the fresh update gets nearly all of the weight.
  const auto published = merge(layout, *rule("drift"), current, 0, received).report.shares;
  EXPECT_GT(published[0], 0.9);
}

// --- whole tasks --------------------------------------------------------------------------------

EngineOptions options_for(const ModelOptions& model, int samples, int nodes) {
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.train = test::striped_images(samples, model.classes, *model.image_size);
  options.test = test::striped_images(60, model.classes, *model.image_size, 2);
  options.parts = test::dealt(samples, nodes);
  options.rules.transfer.weight = 0;
  return options;
}

TEST(Engine, OneStepOfAllNodesIsSynchronousSgdOnTheJoinedBatches) {
  for (const char* name : {"mlp", "cnn-small", "vit-micro"}) {
    ModelOptions model;
    model.architecture = name;
    model.classes = 4;
    model.image_size = 16;
    EngineOptions options = options_for(model, 32, 4);
    options.training.optimizer.learning_rate = 0.1;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto start = engine->initial();
    std::vector<Input> contributions;
    for (int node = 1; node <= 4; ++node) {
      const auto task = test::begin(
          *engine,
          {.node = node, .task = node, .brief = {.rate = 1, .batch = 8}, .received = start}, {});
      task->train(0, 1);
      contributions.push_back({task->finish().result, start});
    }
    const test::Next next = test::aggregate(*engine, start, contributions);
    EXPECT_EQ(next.report.coverage_min, 4);

    // One step of plain SGD on all 32 samples.
    const Layout layout(options.architecture);
    const Samples samples(options.train, *options.architecture, normalization_of(*options.train),
                          at::kCPU);
    std::vector<std::int64_t> all(32);
    for (int i = 0; i < 32; ++i) all[static_cast<std::size_t>(i)] = i;
    const Batch batch = samples.batch(all);
    Tensors weights;
    for (const Tensor& t : inside(*start).tensors) weights.push_back(t.clone().requires_grad_());
    const Network network(layout, full_submodel(*options.architecture));
    Tensor loss = at::zeros({});
    for (const Tensor& exit : network.forward(weights, batch.input, {.training = true})) {
      loss = loss + at::cross_entropy_loss(exit, batch.labels);
    }
    loss.backward();
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const Tensor expected = weights[i].detach() - 0.1 * weights[i].grad();
      const Tensor difference = inside(*next.weights).tensors[i] - expected;
      EXPECT_LE(difference.abs().max().item<double>(), 1e-6) << name << layout.tensors[i].name;
    }
  }
}

TEST(Engine, TheSameTaskGivesTheSameBitsAndAnotherOneOthers) {
  ModelOptions model;
  model.architecture = "vit-micro";
  model.classes = 4;
  model.image_size = 16;
  model.dropout = 0.3;
  const EngineOptions options = options_for(model, 64, 2);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const auto run = [&](std::int64_t id) {
    const auto task = test::begin(*engine,
                                  {.node = 1,
                                   .task = id,
                                   .brief = {.rate = 0.5, .batch = 8, .choose_masks = true},
                                   .received = start},
                                  {});
    task->learn_masks(1);
    task->train(1, {});
    return task->finish();
  };
  const Outcome a = run(1);
  at::rand({100});  // another draw from the shared generator
  const Outcome b = run(1);
  const Outcome c = run(2);
  EXPECT_EQ(a.submodel.kept, b.submodel.kept);
  EXPECT_EQ(a.loss, b.loss);
  for (std::size_t i = 0; i < test::update_of(a).brings.size(); ++i) {
    const Tensor& x = test::update_of(a).brings[i];
    EXPECT_TRUE(!x.defined() || at::equal(x, test::update_of(b).brings[i]));
  }
  EXPECT_NE(a.loss, c.loss);
}

TEST(Engine, EveryMemoryClassEndsWithin3PercentOfItsRate) {
  for (const bool sampled : {false, true}) {
    ModelOptions model;
    model.architecture = "vit-micro";
    model.classes = 4;
    model.image_size = 16;
    EngineOptions options = options_for(model, 64, 1);
    options.rules.mask.sampled = sampled;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto start = engine->initial();
    for (const double rate : {0.25, 0.5, 0.75}) {
      const auto task = test::begin(*engine,
                                    {.node = 1,
                                     .brief = {.rate = rate, .batch = 16, .choose_masks = true},
                                     .received = start},
                                    {});
      task->learn_masks(options.rules.mask.epochs);
      EXPECT_NEAR(kept_share(*options.architecture, task->submodel()), rate, 0.03) << sampled;
    }
  }
}

TEST(Engine, TheMaskPhaseTrainsWhatItMayAndNothingElse) {
  ModelOptions model;
  model.architecture = "vit-micro";
  model.classes = 4;
  model.image_size = 16;
  EngineOptions options = options_for(model, 32, 1);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const auto task = test::begin(
      *engine,
      {.node = 1, .brief = {.rate = 0.5, .batch = 16, .choose_masks = true}, .received = start},
      {});
  task->learn_masks(2);
  task->train(0, 0);  // no step: the update contains only the mask phase's changes
  const Outcome outcome = task->finish();
  const Layout layout(options.architecture);
  int changed = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const Tensor& delta = test::update_of(outcome).brings[i];
    if (!delta.defined()) continue;
    const bool deepest = p.exit < 0 || p.exit == *options.architecture->exit_at(2);
    const bool moved = delta.abs().sum().item<double>() > 0;
    EXPECT_EQ(moved, p.trained_with_masks && deepest) << p.name;
    changed += moved ? 1 : 0;
  }
  EXPECT_GT(changed, 6);  // CLS, positions, norms, the deepest exit
}

TEST(Engine, AnUpdateBringsRunningStatisticsAsTheyAreAndTheMaskPhaseLeavesThemAlone) {
  ModelOptions model;
  model.architecture = "resnet18-cifar";
  model.classes = 4;
  model.image_size = 8;
  model.channels = 1;
  const EngineOptions options = options_for(model, 16, 1);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const Layout layout(options.architecture);
  for (const int steps : {0, 1}) {
    const auto task = test::begin(
        *engine,
        {.node = 1, .brief = {.rate = 0.5, .batch = 8, .choose_masks = true}, .received = start},
        {});
    task->learn_masks(1);
    task->train(0, steps);
    const Outcome outcome = task->finish();
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const Tensor& now = test::update_of(outcome).brings[i];
      if (!now.defined() || !layout.tensors[i].buffer) continue;
      const Tensor before = part_of(inside(*start), layout, outcome.submodel, i);
      EXPECT_EQ(at::equal(now, before), steps == 0) << layout.tensors[i].name;
      if (layout.tensors[i].role == TensorRole::batches_seen) {
        EXPECT_EQ(now.item<float>(), steps) << layout.tensors[i].name;
      }
    }
  }
}

TEST(Engine, ProximalTermPullsBackAndKeptStateGoesOn) {
  ModelOptions model = mlp(8, 4);
  const auto distance = [&](double proximal) {
    EngineOptions options = options_for(model, 64, 1);
    options.training.proximal = proximal;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto start = engine->initial();
    const auto task =
        test::begin(*engine, {.node = 1, .brief = {.rate = 1, .batch = 8}, .received = start}, {});
    task->train(4, {});
    double sum = 0;
    const Outcome outcome = task->finish();
    for (const Tensor& t : test::update_of(outcome).brings) sum += t.abs().sum().item<double>();
    return sum;
  };
  EXPECT_LT(distance(1.0), 0.8 * distance(0));

  // Two tasks that keep their momentum differ from two tasks with new optimizers, from the same
  // weights.
  const auto second_loss = [&](bool keep) {
    EngineOptions options = options_for(model, 64, 1);
    options.training.optimizer.momentum = 0.9;
    options.training.keep_optimizer = keep;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto start = engine->initial();
    auto task =
        test::begin(*engine, {.node = 1, .brief = {.rate = 1, .batch = 8}, .received = start}, {});
    task->train(1, {});
    const Outcome first = task->finish();
    EXPECT_EQ(inside(*first.state).optimizer.has_value(), keep);
    task = test::begin(*engine,
                       {.node = 1,
                        .task = 1,
                        .brief = {.rate = 1, .batch = 8},
                        .received = start,
                        .state = first.state},
                       {});
    task->train(1, {});
    return task->finish().loss;
  };
  EXPECT_NE(second_loss(true), second_loss(false));
}

TEST(Engine, GoesThroughTheBatchesThatItsCostsCount) {
  ModelOptions norms;
  norms.architecture = "resnet18-cifar";
  norms.classes = 4;
  norms.image_size = 8;
  norms.channels = 1;
  for (const ModelOptions& model : {mlp(8, 4), norms}) {
    for (const int samples : {2, 9, 17}) {
      const EngineOptions options = options_for(model, samples, 1);
      const std::unique_ptr<Engine> engine(convoy_make_engine(options));
      const bool skips =
          needs_two_samples(trace(*options.architecture, full_submodel(*options.architecture)));
      EXPECT_EQ(skips, model.architecture == norms.architecture);
      for (const int batch : {2, 8}) {
        for (const std::optional<int> steps : {std::optional<int>(), std::optional(4)}) {
          const auto task = test::begin(
              *engine, {.node = 1, .brief = {.batch = batch}, .received = engine->initial()}, {});
          task->train(1, steps);
          const Outcome outcome = task->finish();
          const BatchCounts counts = count_batches(plan_epoch(samples, batch, skips), 1, steps);
          EXPECT_EQ(outcome.samples, counts.samples()) << samples << " by " << batch;
          EXPECT_EQ(test::update_of(outcome).steps, counts.whole + counts.rests);
        }
      }
    }
  }
}

// With the proximal term a step of plain SGD ends at lr x mu x (w - received) from the end of a
// step without it. w is the start of the step, which a mask phase or an earlier pass has moved away
// from the received weights.
TEST(Engine, AProximalTermPullsToWhatWasReceivedWhereverTheWeightPhaseBegan) {
  ModelOptions model;
  model.architecture = "vit-micro";
  model.classes = 4;
  model.image_size = 8;
  model.channels = 1;
  constexpr double rate = 0.05;
  constexpr double mu = 3;
  const Layout layout = test::layout_of(model);
  for (const bool masks : {true, false}) {
    const auto changes = [&](double proximal, int steps) {
      EngineOptions options = options_for(model, 16, 1);
      options.training.optimizer.learning_rate = rate;
      options.training.proximal = proximal;
      const std::unique_ptr<Engine> engine(convoy_make_engine(options));
      const auto task = test::begin(*engine,
                                    {.node = 1,
                                     .brief = {.rate = 0.5, .batch = 8, .choose_masks = masks},
                                     .received = engine->initial()},
                                    {});
      if (masks) {
        task->learn_masks(1);
      } else {
        task->train(0, 1);  // starts at the received weights: the term is 0
      }
      task->train(0, steps);
      const Outcome outcome = task->finish();
      return test::update_of(outcome).brings;
    };
    const Tensors begun = changes(0, 0);
    const Tensors without = changes(0, 1);
    const Tensors with = changes(mu, 1);
    double moved = 0;
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (!begun[i].defined() || layout.tensors[i].buffer) continue;
      moved += begun[i].abs().sum().item<double>();
      const Tensor pull = with[i] - without[i];
      EXPECT_LT((pull + rate * mu * begun[i]).abs().max().item<double>(), 2e-6)
          << layout.tensors[i].name;
    }
    EXPECT_GT(moved, 0.1) << "something was to move the weights before";
  }
}

TEST(Engine, DoneAgainATrainingGoesOnWithOtherDraws) {
  const EngineOptions options = options_for(mlp(8, 4), 64, 1);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const TaskInput input{.node = 1, .brief = {.batch = 8}, .received = start};
  const auto size = [](const TensorUpdate& update) {
    double sum = 0;
    for (const Tensor& t : update.brings) sum += t.abs().sum().item<double>();
    return sum;
  };
  const auto session = engine->open(input, {});
  const auto first = as_update(session->run(Train{1, {}}, {{start, nullptr}}));
  const auto second = as_update(session->run(Train{1, {}}, {{start, nullptr}}));
  EXPECT_EQ(first->steps, 8);
  EXPECT_EQ(second->steps, 16);
  EXPECT_GT(size(*second), size(*first));
  EXPECT_EQ(session->outcome().result, second);
  // Not equal to two epochs in one call: each call shuffles the samples anew.
  const auto once = test::begin(*engine, input, {});
  once->train(2, {});
  const Outcome two_epochs = once->finish();
  bool same = true;
  for (std::size_t i = 0; i < second->brings.size(); ++i) {
    same = same && at::equal(second->brings[i], test::update_of(two_epochs).brings[i]);
  }
  EXPECT_FALSE(same);
}

TEST(Engine, AnUpdateMakesAVersionByItself) {
  const EngineOptions options = options_for(mlp(8, 4), 16, 1);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const auto part = test::begin(*engine, {.node = 1, .brief = {.batch = 8}, .received = start}, {});
  part->train(1, {});
  const Outcome outcome = part->finish();
  const auto next = engine->next_version(start, outcome.result);
  for (std::size_t i = 0; i < inside(*start).tensors.size(); ++i) {
    EXPECT_TRUE(at::allclose(inside(*next).tensors[i],
                             inside(*start).tensors[i] + test::update_of(outcome).brings[i]));
  }
  EXPECT_EQ(engine->next_version(start, next), next);
  EXPECT_THROW(engine->next_version(start, nullptr), base::UserError);
}

TEST(Engine, ARulesStateIsTheServersAndComesBackFromAFile) {
  EngineOptions options = options_for(mlp(8, 4), 32, 2);
  options.rules.aggregation.rule = rule("fedadam", "learning_rate = 0.01");
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  std::vector<Input> updates;
  for (int node = 1; node <= 2; ++node) {
    const auto part =
        test::begin(*engine, {.node = node, .brief = {.batch = 8}, .received = start}, {});
    part->train(1, {});
    updates.push_back({part->finish().result, nullptr});
  }
  const test::Next first = test::aggregate(*engine, start, updates);
  ASSERT_TRUE(first.state);
  const auto file = std::filesystem::temp_directory_path() / "convoy-rule-state.safetensors";
  engine->save(*first.state, file);
  const auto loaded = engine->load_state(file);
  std::filesystem::remove(file);
  const test::Next kept = test::aggregate(*engine, first.weights, updates, 1, first.state);
  const test::Next read = test::aggregate(*engine, first.weights, updates, 1, loaded);
  const test::Next fresh = test::aggregate(*engine, first.weights, updates, 1);
  bool differs = false;
  for (std::size_t i = 0; i < inside(*kept.weights).tensors.size(); ++i) {
    EXPECT_TRUE(at::equal(inside(*kept.weights).tensors[i], inside(*read.weights).tensors[i]));
    differs =
        differs || !at::equal(inside(*kept.weights).tensors[i], inside(*fresh.weights).tensors[i]);
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(inside(*kept.state).rule->aggregations, 2);
}

TEST(Engine, ArtifactsThatAWorkCannotUseAreRefused) {
  const EngineOptions options = options_for(mlp(8, 4), 16, 1);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const auto start = engine->initial();
  const TaskInput server{.node = 0, .task = 9, .received = start};
  EXPECT_THROW(engine->open(server, {})->run(Aggregate{}, {}), base::UserError);
  EXPECT_THROW(engine->open(server, {})->run(Aggregate{}, {{start, nullptr}, {start, nullptr}}),
               base::UserError);
  EXPECT_THROW(engine->open(server, {})->run(Combine{}, {}), base::UserError);
  EXPECT_THROW(engine->open(server, {})->run(Train{}, {{start, nullptr}}), base::UserError);
  EXPECT_EQ(engine->open(server, {})->run({}, {}), nullptr);
}

TEST(Engine, LearnsAndJudgesByTheDeepestTrainedExit) {
  const ModelOptions model = mlp(16, 4);  // two blocks, an exit after each
  EngineOptions options = options_for(model, 400, 2);
  options.training.optimizer = {.learning_rate = 0.02, .momentum = 0.9};
  options.training.clip = 5;
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  auto weights = engine->initial();
  EXPECT_LT(engine->evaluate(*weights, 1, {}).accuracy(), 0.6);
  for (int round = 0; round < 6; ++round) {
    std::vector<Input> contributions;
    for (int node = 1; node <= 2; ++node) {
      const auto task = test::begin(*engine,
                                    {.node = node,
                                     .task = round * 2 + node,
                                     .version = round,
                                     .brief = {.rate = 0.5, .batch = 16},
                                     .received = weights},
                                    {});
      task->train(1, {});
      contributions.push_back({task->finish().result, weights});
    }
    weights = test::aggregate(*engine, weights, contributions).weights;
  }
  // Evaluated as its own submodel it is good; in the full model only the first exit is trained.
  const Evaluation own = engine->evaluate(*weights, 0.5, {});
  EXPECT_EQ(own.exits.size(), 1U);
  EXPECT_EQ(own.headline, 0);
  EXPECT_GT(own.accuracy(), 0.9);
  EXPECT_EQ(own.exits[0].top5, 1);  // of four classes
  EXPECT_NEAR(own.exits[0].f1, own.exits[0].top1, 0.1);
  const Evaluation full = engine->evaluate(*weights, 1, {});
  EXPECT_EQ(full.exits.size(), 2U);
  EXPECT_EQ(full.headline, 0);
  EXPECT_NEAR(full.exits[0].untrained, 0.5, 0.02);
  EXPECT_GT(full.exits[1].untrained, full.exits[0].untrained);
}

// Some update has held a part of the second exit's head; and all, or a part, of the parameters on
// which the first exit depends.
TEST(Engine, AnExitThatIsTrainedInPartIsNotJudgedWhereAnotherIsTrainedThroughout) {
  EngineOptions options = options_for(mlp(16, 4), 8, 1);
  const Layout layout(options.architecture);
  const auto judged = [&](bool first_throughout, int full_depth) {
    options.full_depth = full_depth;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    Trained trained;
    for (const ParameterTensor& p : layout.tensors) {
      const bool of_first =
          p.exit == 0 || (p.exit < 0 && p.block < options.architecture->exits[0].after);
      Marks part(static_cast<std::size_t>(p.elements()), 0);
      part[0] = 1;
      if (of_first && first_throughout) part.assign(1, 1);  // all of its elements
      trained.push_back(of_first || p.exit == 1 ? std::make_shared<const Marks>(part) : nullptr);
    }
    const TensorWeights weights(initial_tensors(layout, 1), trained);
    return engine->evaluate(weights, 1, {}).headline;
  };
  EXPECT_EQ(judged(true, 0), 0);
  EXPECT_EQ(judged(false, 0), 1) << "the deepest whose head has been held at all";
  EXPECT_EQ(judged(true, 2), 1) << "some node trains both blocks at their full width";
}

TEST(Engine, WhatDoesNotFitIsRefused) {
  ModelOptions model = mlp(8, 4);
  EngineOptions options = options_for(model, 16, 1);
  options.device = "cuda:7";
  EXPECT_THROW(convoy_make_engine(options), base::UserError);
  options.device = "gpu!";
  EXPECT_THROW(convoy_make_engine(options), base::UserError);
  options.device = "cpu";
  auto five = std::make_shared<Dataset>(*options.train);
  five->shape.classes = 5;
  options.train = five;
  EXPECT_THROW(convoy_make_engine(options), base::UserError);

  // A batch norm cannot learn from one sample.
  ModelOptions resnet;
  resnet.architecture = "resnet18-cifar";
  resnet.classes = 4;
  resnet.image_size = 8;
  resnet.channels = 1;
  const EngineOptions small = options_for(resnet, 9, 1);
  const std::unique_ptr<Engine> engine(convoy_make_engine(small));
  const auto start = engine->initial();
  auto task =
      test::begin(*engine, {.node = 1, .brief = {.rate = 1, .batch = 1}, .received = start}, {});
  EXPECT_THROW(task->train(1, {}), base::UserError);
  // The single sample that remains of 9 is left out.
  task = test::begin(*engine, {.node = 1, .brief = {.rate = 1, .batch = 4}, .received = start}, {});
  task->train(1, {});
  EXPECT_TRUE(task->finish().finite);

  // An update with NaN or infinity reports that.
  EngineOptions wild = options_for(model, 16, 1);
  wild.training.optimizer.learning_rate = 1e30;
  const std::unique_ptr<Engine> exploding(convoy_make_engine(wild));
  task = test::begin(
      *exploding, {.node = 1, .brief = {.rate = 1, .batch = 4}, .received = exploding->initial()},
      {});
  task->train(2, {});
  EXPECT_FALSE(task->finish().finite);

  std::stop_source stop;
  stop.request_stop();
  task = test::begin(*engine, {.node = 1, .brief = {.rate = 1, .batch = 4}, .received = start},
                     stop.get_token());
  EXPECT_THROW(task->train(1, {}), Stopped);
}

}  // namespace
}  // namespace convoy::engine
