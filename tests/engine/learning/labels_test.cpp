// Labels that a node has none of (HeteroFL, FedRolex): rows of class scores are averaged over those
// that have the class, absent labels' scores are 0 in training and in the node's own test, and an
// update says which labels its node has.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/learning/aggregation.hpp"
#include "engine/learning/encoded_update.hpp"
#include "engine/learning/evaluation.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/initial.hpp"
#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

constexpr int classes = 4;

ModelOptions mlp() { return {.architecture = "mlp", .classes = classes, .image_size = 8}; }

std::shared_ptr<const Rule> rule(const std::string& name) {
  for (const RuleKind& kind : rule_kinds()) {
    if (kind.name != name) continue;
    base::Diagnostics problems;
    const base::Value nothing;
    base::TableReader reader(nothing, "", problems);
    return kind.read(reader);
  }
  throw std::runtime_error("no rule " + name);
}

std::unique_ptr<TensorUpdate> update_with(const Layout& layout, const Submodel& submodel,
                                          std::vector<int> labels, std::uint64_t seed) {
  auto update = std::make_unique<TensorUpdate>();
  update->submodel = submodel;
  update->samples = 10 * static_cast<double>(seed);  // must not matter
  update->labels = std::move(labels);
  at::Generator generator = make_generator(at::kCPU, seed);
  Tensors full;
  for (const ParameterTensor& p : layout.tensors) {
    full.push_back(at::randn(p.shape, generator));
    if (p.role == TensorRole::running_variance) full.back().abs_();
  }
  update->brings = slice(full, layout, submodel, at::kCPU);
  return update;
}

struct Merging {
  explicit Merging(const ModelOptions& model) : layout(test::layout_of(model)) {}

  void add(const Submodel& submodel, std::vector<int> labels) {
    own.push_back(update_with(layout, submodel, std::move(labels), own.size() + 1));
    updates.push_back({own.back().get(), nullptr});
  }
  [[nodiscard]] Merged by(const std::string& name) const {
    return merge(layout, *rule(name), current, 0, updates);
  }

  Layout layout;
  TensorWeights current{initial_tensors(layout, 1), Trained(layout.size())};
  std::vector<std::unique_ptr<TensorUpdate>> own;
  std::vector<Received> updates;
};

TEST(Labels, OfEachExitTheLayerOfTheScoresHasARowForEachClass) {
  for (const std::string& name : architecture_names()) {
    const Layout layout = test::layout_of({.architecture = name, .classes = 7});
    if (layout.architecture->per_pixel) continue;  // never learned
    std::vector<int> tensors(layout.architecture->exits.size(), 0);
    for (const ParameterTensor& p : layout.tensors) {
      if (!p.by_class) continue;
      ASSERT_GE(p.exit, 0) << name << " " << p.name;
      EXPECT_EQ(p.rows(), 7) << name << " " << p.name;
      EXPECT_EQ(p.row_group, -1) << name << " " << p.name;
      ++tensors[static_cast<std::size_t>(p.exit)];
    }
    for (const int count : tensors) EXPECT_EQ(count, 2) << name << ": weights and bias";
  }
}

// Node 1 has 0 and 1, node 2 has 1 alone, and nobody has 2 or 3.
TEST(Labels, ARowOfScoresIsTheMeanOverThoseWhoHaveItsClass) {
  Merging merging(mlp());
  const Submodel full = full_submodel(*merging.layout.architecture);
  merging.add(full, {0, 1});
  merging.add(full, {1});
  const Merged merged = merging.by("holders-by-label");
  int rows = 0;
  for (std::size_t i = 0; i < merging.layout.size(); ++i) {
    const ParameterTensor& p = merging.layout.tensors[i];
    const Tensor& before = merging.current.tensors[i];
    const Tensor& first = merging.own[0]->brings[i];
    const Tensor mean = (first + merging.own[1]->brings[i]) / 2;
    const auto near = [&](const Tensor& now, const Tensor& wanted) {
      EXPECT_LT((now - wanted).abs().max().item<double>(), 1e-6) << p.name;
    };
    if (!p.by_class) {
      near(merged.weights[i], before + mean);
      continue;
    }
    near(merged.weights[i][0], before[0] + first[0]);
    near(merged.weights[i][1], before[1] + mean[1]);
    for (const int nobodys : {2, 3}) {
      EXPECT_TRUE(at::equal(merged.weights[i][nobodys], before[nobodys])) << p.name;
    }
    rows += 2;
  }
  EXPECT_EQ(rows, 8) << "two exits, each with weights and a bias";
  EXPECT_EQ(merged.report.coverage_min, 0);
  EXPECT_GT(merged.report.untrained, 0) << "the rows that nobody has";
  EXPECT_LT(merged.report.untrained, 0.1);
}

TEST(Labels, ColumnsStayThoseOfTheSubmodel) {
  Merging merging(mlp());
  const Architecture& a = *merging.layout.architecture;
  merging.add(nested_submodel(a, 0.5, true), {0, 2});
  merging.add(full_submodel(a), {2, 3});
  const Merged merged = merging.by("holders-by-label");
  for (std::size_t i = 0; i < merging.layout.size(); ++i) {
    const ParameterTensor& p = merging.layout.tensors[i];
    if (!p.by_class || p.shape.size() < 2) continue;
    const Tensor change = merged.weights[i] - merging.current.tensors[i];
    const std::int64_t half = p.shape[1] / 2;
    const auto near = [&](const Tensor& now, const Tensor& wanted) {
      EXPECT_LT((now - wanted).abs().max().item<double>(), 1e-6) << p.name;
    };
    near(change[0].slice(0, 0, half), merging.own[0]->brings[i][0]);
    near(change[0].slice(0, half), at::zeros({half}));
    near(change[1], at::zeros({2 * half}));
    const Tensor& second = merging.own[1]->brings[i];
    near(change[2].slice(0, 0, half),
         (merging.own[0]->brings[i][2] + second[2].slice(0, 0, half)) / 2);
    near(change[2].slice(0, half), second[2].slice(0, half));
    near(change[3], second[3]);
  }
}

// The classifier as well; and with everybody's labels the variances are the same means.
TEST(Labels, WhereEveryNodeHasEveryLabelTheRuleIsHolders) {
  Merging merging({.architecture = "mnasnet0_5", .classes = classes, .image_size = 32});
  base::Random random({6});
  for (int u = 0; u < 3; ++u) {
    merging.add(test::random_submodel(*merging.layout.architecture, random), {0, 1, 2, 3});
  }
  const Merged by_label = merging.by("holders-by-label");
  const Merged plain = merging.by("holders");
  for (std::size_t i = 0; i < merging.layout.size(); ++i) {
    EXPECT_TRUE(at::equal(by_label.weights[i], plain.weights[i])) << merging.layout.tensors[i].name;
  }
  EXPECT_EQ(by_label.report.untrained, plain.report.untrained);
}

TEST(Labels, RunningStatisticsDoNotDependOnThem) {
  Merging merging({.architecture = "mnasnet0_5", .classes = classes, .image_size = 32});
  const Submodel full = full_submodel(*merging.layout.architecture);
  merging.add(full, {0});
  merging.add(full, {1, 3});
  const Merged by_label = merging.by("holders-by-label");
  const Merged plain = merging.by("holders");
  for (std::size_t i = 0; i < merging.layout.size(); ++i) {
    const ParameterTensor& p = merging.layout.tensors[i];
    if (!p.buffer) continue;
    EXPECT_TRUE(at::equal(by_label.weights[i], plain.weights[i])) << p.name;
    if (p.role != TensorRole::running_variance) continue;
    EXPECT_GE(by_label.weights[i].min().item<double>(), 0) << p.name;
  }
}

TEST(Labels, AnUpdateThatDoesNotSayThemIsNotTaken) {
  Merging merging(mlp());
  merging.add(full_submodel(*merging.layout.architecture), {});
  EXPECT_NO_THROW(merging.by("holders"));
  EXPECT_THROW(merging.by("holders-by-label"), base::UserError);
}

// Node 1 has 0 and 1, node 2 has 1 and 2.
TEST(Labels, ACombinedUpdateHasThoseOfAll) {
  Merging merging(mlp());
  const Submodel full = full_submodel(*merging.layout.architecture);
  merging.add(full, {0, 1});
  merging.add(full, {1, 2});
  merging.own[1]->samples = merging.own[0]->samples;
  const auto combined = combine(merging.layout, {merging.own[0].get(), merging.own[1].get()}, true);
  EXPECT_EQ(combined->labels, (std::vector<int>{0, 1, 2}));
  // Alone it makes the version that both would have made.
  const Merged flat = merging.by("holders-by-label");
  merging.updates = {{combined.get(), nullptr}};
  const Merged over_one = merging.by("holders-by-label");
  for (std::size_t i = 0; i < merging.layout.size(); ++i) {
    EXPECT_LT((flat.weights[i] - over_one.weights[i]).abs().max().item<double>(), 1e-6)
        << merging.layout.tensors[i].name;
  }
}

TEST(Labels, GoWithAnUpdateThroughFilesAndCompression) {
  const Layout layout = test::layout_of(mlp());
  const Submodel full = full_submodel(*layout.architecture);
  const auto update = update_with(layout, full, {1, 3}, 2);
  EXPECT_EQ(update_from(layout, to_file(layout, *update, Masks::without), "t")->labels,
            update->labels);
  const Compressed compressed = compress(layout, *update, {.keep = 0.5}, {}, 1);
  EXPECT_EQ(compressed.update->labels, update->labels);
  EXPECT_EQ(update_from(layout, to_file(layout, *compressed.update, Masks::without), "t")->labels,
            update->labels);
  update->labels.clear();
  EXPECT_FALSE(to_file(layout, *update, Masks::without).metadata.contains("labels"));
  for (const char* wrong : {"", "1 1", "3 1", "4", "1.5", "-1", "one", "nan"}) {
    TensorFile file = to_file(layout, *update, Masks::without);
    file.metadata["labels"] = wrong;
    EXPECT_THROW(update_from(layout, file, "t"), base::UserError) << wrong;
  }
}

// --- whole tasks --------------------------------------------------------------------------------

class LabelledTask : public testing::Test {
 protected:
  // Of eight samples of each class node 1 has those of 0 and 1, node 2 those of 1, 2 and 3.
  LabelledTask() {
    options.architecture = std::make_shared<const Architecture>(make_architecture(mlp()));
    options.train = test::striped_images(8 * classes, classes, 8);
    options.test = test::striped_images(8, classes, 8, 2);
    options.rules.transfer.weight = 0;
    options.rules.labels = {.masked = true, .told = true};
    options.training.optimizer.learning_rate = 0.1;
    options.parts.resize(3);
    for (std::int64_t i = 0; i < 8 * classes; ++i) {
      const int label = options.train->labels[static_cast<std::size_t>(i)];
      const bool tests = i / classes % 4 == 3;
      const std::size_t node = label == 0 || (label == 1 && i % 8 < 4) ? 1 : 2;
      LocalSplit& part = options.parts[node];
      (tests ? part.test : part.train).push_back(i);
    }
  }

  [[nodiscard]] TaskInput input(const Engine& engine, int node) const {
    return {.node = node,
            .task = node,
            .brief = {.rate = 1, .batch = 4, .test_locally = true},
            .received = engine.initial()};
  }
  [[nodiscard]] Outcome train(int node) const {
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const auto part = test::begin(*engine, input(*engine, node), {});
    part->train(1, {});
    return part->finish();
  }

  EngineOptions options;
};

TEST_F(LabelledTask, AnUpdateSaysTheLabelsOfTheTrainingSamples) {
  EXPECT_EQ(test::update_of(train(1)).labels, (std::vector<int>{0, 1}));
  EXPECT_EQ(test::update_of(train(2)).labels, (std::vector<int>{1, 2, 3}));
  options.rules.labels.told = false;
  EXPECT_TRUE(test::update_of(train(1)).labels.empty());
}

// A score that is 0 whatever the weights are gives them no gradient.
TEST_F(LabelledTask, RowsOfAbsentLabelsStandStillWithMaskedScoresAlone) {
  const Layout layout(options.architecture);
  for (const bool masked : {true, false}) {
    options.rules.labels.masked = masked;
    const Outcome outcome = train(1);
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (!layout.tensors[i].by_class) continue;
      const Tensor& change = test::update_of(outcome).brings[i];
      for (int label = 0; label < classes; ++label) {
        const bool stands = masked && label >= 2;
        EXPECT_EQ(change[label].abs().max().item<double>() == 0, stands)
            << layout.tensors[i].name << " " << label;
      }
    }
  }
}

TEST_F(LabelledTask, WithEveryLabelThereMaskingChangesNoBit) {
  options.parts[1].train.clear();
  for (std::int64_t i = 0; i < 3 * classes; ++i) options.parts[1].train.push_back(i);
  const Outcome masked = train(1);
  options.rules.labels.masked = false;
  const Outcome plain = train(1);
  EXPECT_EQ(masked.loss, plain.loss);
  for (std::size_t i = 0; i < test::update_of(plain).brings.size(); ++i) {
    EXPECT_TRUE(at::equal(test::update_of(masked).brings[i], test::update_of(plain).brings[i]));
  }
}

// A model that says 3 to everything, then 0.
TEST_F(LabelledTask, TheNodesOwnTestKnowsWhichLabelsItHas) {
  const Layout layout(options.architecture);
  Tensors tensors = initial_tensors(layout, 1);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].role != TensorRole::bias || !layout.tensors[i].by_class) continue;
    tensors[i][3] += 200;
    tensors[i][0] += 100;
  }
  const auto says_3 = std::make_shared<const TensorWeights>(tensors, Trained(layout.size()));
  for (const bool masked : {true, false}) {
    options.rules.labels.masked = masked;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    TaskInput task = input(*engine, 1);
    task.received = says_3;
    const auto part = test::begin(*engine, task, {});
    part->train(0, 1);
    const std::vector<std::int64_t>& test = options.parts[1].test;
    const auto zeros = std::ranges::count_if(test, [&](std::int64_t i) {
      return options.train->labels[static_cast<std::size_t>(i)] == 0;
    });
    ASSERT_GT(zeros, 0);
    const double wanted = masked ? static_cast<double>(zeros) / std::ssize(test) : 0;
    EXPECT_NEAR(part->finish().local_accuracy.value(), wanted, 1e-12);
  }
}

// --- what arrives -------------------------------------------------------------------------------

std::unique_ptr<Unpacking> sent(const Engine& engine, const Parcel& parcel) {
  auto box = engine.unpack(parcel.header, parcel.bytes(), "node n");
  for (std::size_t i = 0; i < parcel.pieces.size(); ++i) {
    const auto& piece = parcel.pieces[i];
    if (!piece.empty()) std::memcpy(box->pieces()[i].data(), piece.data(), piece.size());
  }
  return box;
}

TEST_F(LabelledTask, AnUpdateThatClaimsOtherLabelsIsRefused) {
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const TaskInput task = input(*engine, 1);
  Outcome outcome = train(1);
  const auto arrives = [&](std::vector<int> labels) {
    auto update = std::make_shared<TensorUpdate>();
    const TensorUpdate& made = test::update_of(outcome);
    update->submodel = made.submodel;
    update->brings = made.brings;
    update->samples = made.samples;
    update->rate = made.rate;
    update->steps = made.steps;
    update->labels = std::move(labels);
    Outcome claimed = outcome;
    claimed.result = update;
    try {
      const Outcome came = engine->unpack_update(*sent(*engine, engine->pack(claimed)), task);
      EXPECT_EQ(test::update_of(came).labels, update->labels);
      return std::string();
    } catch (const base::UserError& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(arrives({0, 1}), "");
  EXPECT_NE(arrives({0, 1, 3}).find("claims the labels 0 1 3, its node has 0 1"),
            std::string::npos);
  EXPECT_NE(arrives({1}).find("claims the labels 1"), std::string::npos);
  EXPECT_NE(arrives({}).find("does not say which labels"), std::string::npos);
}

// Of own data only the number is known, see sim/run/participants.hpp.
TEST_F(LabelledTask, LabelsOfANodesOwnDataAreTakenAsTheyCome) {
  const Outcome outcome = train(2);
  test::let_be_unlisted(options.parts[2]);
  const std::unique_ptr<Engine> engine(convoy_make_engine(options));
  const Outcome came =
      engine->unpack_update(*sent(*engine, engine->pack(outcome)), input(*engine, 2));
  EXPECT_EQ(test::update_of(came).labels, (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace convoy::engine
