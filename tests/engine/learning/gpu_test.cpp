// The engine on a graphics card gives what it gives on the CPU, but for rounding. Skipped where
// LibTorch finds no CUDA device.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "engine/api/profile.hpp"
#include "engine/rules/fedpm.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);
extern "C" void convoy_profile_warm_up(const convoy::engine::ProfileOptions&);
extern "C" void convoy_profile(const convoy::engine::ProfileOptions&, convoy::engine::Profile&);

namespace convoy::engine {
namespace {

constexpr const char* gpu = "cuda:0";
constexpr int classes = 4;
constexpr int samples = 48;

bool has_gpu() {
  try {
    device_of(gpu);
    return true;
  } catch (const base::UserError&) {
    return false;
  }
}

// |a - b| / |a| over all tensors.
double distance(const Tensors& a, const Tensors& b) {
  double apart = 0;
  double whole = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].defined(), b[i].defined()) << i;
    if (!a[i].defined() || !b[i].defined()) continue;
    EXPECT_TRUE(b[i].is_cpu()) << i;
    apart += (a[i].to(at::kDouble) - b[i].to(at::kDouble)).square().sum().item<double>();
    whole += a[i].to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(apart / whole);
}

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_gpu()) GTEST_SKIP() << "LibTorch finds no CUDA device here";
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }

  static EngineOptions of(std::shared_ptr<const Architecture> architecture, int image_size) {
    EngineOptions options;
    options.architecture = std::move(architecture);
    options.train = test::striped_images(samples, classes, image_size);
    options.test = test::striped_images(samples, classes, image_size, 2);
    options.parts = test::dealt(samples, 2);
    options.parts[1].test = {0, 1, 2, 3, 4};
    options.training.optimizer.learning_rate = 0.02;
    options.full_depth = options.architecture->depth();
    return options;
  }
  static std::unique_ptr<Engine> engine_on(EngineOptions options, const std::string& device) {
    options.device = device;
    return std::unique_ptr<Engine>(convoy_make_engine(options));
  }

  // What comes of two tasks of a node, the second one from the version that the first one made.
  struct Made {
    std::vector<Outcome> outcomes;
    std::shared_ptr<const Weights> version;
    Evaluation evaluation;
  };
  static Made run(const Engine& engine, const std::shared_ptr<const Weights>& start,
                  const TaskBrief& brief, bool learns_masks, bool compresses,
                  const Work& afterwards) {
    Made made{.version = start};
    std::shared_ptr<const NodeState> state;
    for (const std::int64_t task : {1, 2}) {
      const TaskInput input{.node = 1,
                            .task = task,
                            .version = task - 1,
                            .brief = brief,
                            .received = made.version,
                            .state = state};
      const auto session = engine.open(input, {});
      if (learns_masks) session->run(LearnMasks{2}, {{made.version, nullptr}});
      auto update = session->run(Train{.epochs = 1, .steps = 3}, {{made.version, nullptr}});
      if (compresses) session->run(Encode{}, {{update, nullptr}});
      made.outcomes.push_back(session->outcome());
      const Outcome& outcome = made.outcomes.back();
      state = outcome.state;
      const Parcel parcel = engine.pack(outcome);
      auto box = engine.unpack(parcel.header, parcel.bytes(), "node 1");
      auto to = box->pieces().begin();
      for (const auto& piece : parcel.pieces) std::memcpy(to++->data(), piece.data(), piece.size());
      const Outcome arrived = engine.unpack_update(*box, input);
      const auto server =
          engine.open({.node = 0, .version = task - 1, .received = made.version}, {});
      const std::vector<Input> inputs = {{made.version, nullptr}, {arrived.result, nullptr}};
      auto next = server->run(Aggregate{}, inputs);
      if (!is_nothing(afterwards)) {
        next = server->run(afterwards, {{next, nullptr}, {arrived.result, nullptr}});
      }
      made.version = std::dynamic_pointer_cast<const Weights>(next);
    }
    made.evaluation = engine.evaluate(*made.version, 1, {});
    return made;
  }

  // The initial weights, each changed by about its last bit.
  static std::shared_ptr<const Weights> nearly_initial(const Engine& engine) {
    const auto drawn = engine.initial();
    const TensorWeights& initial = inside(*drawn);
    Tensors changed;
    for (const Tensor& t : initial.tensors) {
      changed.push_back(t * (1 + at::randn(t.sizes(), make_generator(at::kCPU, 1)) * 1.2e-7));
    }
    return std::make_shared<TensorWeights>(std::move(changed), initial.trained);
  }

  // Rounding grows in deep networks: how far apart the results may be follows from what a change of
  // the last bits of the initial weights does on the CPU. `exact`: nothing is drawn on the device.
  static void expect_alike(const EngineOptions& options, const TaskBrief& brief, bool exact,
                           bool learns_masks = false, bool compresses = false,
                           const Work& afterwards = {}) {
    const auto here = engine_on(options, "cpu");
    const auto there = engine_on(options, gpu);
    const auto run_on = [&](const Engine& engine, const std::shared_ptr<const Weights>& start) {
      return run(engine, start, brief, learns_masks, compresses, afterwards);
    };
    const Made a = run_on(*here, here->initial());
    const Made b = run_on(*there, there->initial());
    for (std::size_t task = 0; task < a.outcomes.size(); ++task) {
      EXPECT_TRUE(b.outcomes[task].finite);
      EXPECT_EQ(a.outcomes[task].samples, b.outcomes[task].samples);
      EXPECT_EQ(a.outcomes[task].local_accuracy.has_value(),
                b.outcomes[task].local_accuracy.has_value());
      if (!exact) continue;
      EXPECT_EQ(a.outcomes[task].submodel.kept, b.outcomes[task].submodel.kept);
      EXPECT_NEAR(a.outcomes[task].loss, b.outcomes[task].loss, 2e-2 * a.outcomes[task].loss);
    }
    ASSERT_EQ(a.evaluation.exits.size(), b.evaluation.exits.size());
    EXPECT_TRUE(std::isfinite(b.evaluation.loss()));
    if (!exact) return;
    const Made near = run_on(*here, nearly_initial(*here));
    const auto apart = [&](const Made& other) {
      return distance(inside(*a.version).tensors, inside(*other.version).tensors);
    };
    constexpr double grows_more = 5;
    const double tolerance = std::max(1e-4, grows_more * apart(near));
    std::cout << fmt::format("apart {:.1e}, by the last bit of the initial weights {:.1e}\n",
                             apart(b), apart(near));
    EXPECT_LT(apart(b), tolerance);
    EXPECT_LT(tolerance, 0.5);
  }
};

TEST_F(Gpu, TrainsEveryArchitectureAsTheCpuDoes) {
  for (ModelOptions model : test::small_models()) {
    SCOPED_TRACE(model.architecture);
    if (input_of(model.architecture) == InputKind::tokens) continue;  // striped images are none
    model.classes = classes;
    model.channels = 1;
    if (!model.image_size) model.image_size = model.architecture == "mlp" ? 28 : 8;
    const auto architecture = std::make_shared<const Architecture>(make_architecture(model));
    EngineOptions options = of(architecture, *model.image_size);
    options.training.optimizer.learning_rate = 1e-4;  // deep networks diverge with more
    expect_alike(options, {.batch = 8, .test_locally = true}, true);
  }
}

TEST_F(Gpu, TrainsWithEveryOptimizerAndKeepsItsState) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adamw, OptimizerKind::adan}) {
    SCOPED_TRACE(std::string(base::name_of(optimizer_kind_words, kind)));
    EngineOptions options = of(test::small_with_norms(classes), 16);
    options.training.optimizer = {.kind = kind, .learning_rate = 0.005};
    if (kind == OptimizerKind::sgd) options.training.optimizer.momentum = 0.9;
    if (kind == OptimizerKind::adamw) options.training.optimizer.betas = {0.9, 0.999};
    if (kind == OptimizerKind::adan) options.training.optimizer.betas = {0.98, 0.92, 0.99};
    options.training.keep_optimizer = true;
    options.training.clip = 1;
    options.training.proximal = 0.1;
    expect_alike(options, {.batch = 8}, true);
  }
}

TEST_F(Gpu, TrainsTheSubmodelsOfEverySelection) {
  for (const auto& [selection, word] : selection_words) {
    SCOPED_TRACE(word);
    EngineOptions options = of(test::small_with_norms(classes), 16);
    options.rules.mask.selection = selection;
    const TaskBrief brief{.rate = 0.5, .batch = 8, .choose_masks = true, .place = 0.25};
    const bool learned = selection == Selection::learned;
    expect_alike(options, brief, !learned, learned);
  }
}

TEST_F(Gpu, TrainsByTheRulesOfEveryKindOfSchedule) {
  ModelOptions model{.architecture = "vit-micro", .classes = classes, .image_size = 8};
  const auto vit = std::make_shared<const Architecture>(make_architecture(model));
  EngineOptions teaches = of(vit, 8);
  teaches.rules.transfer = {.mutual = true, .weight = 1, .from_version = 0, .by_batch = true};
  teaches.rules.ensemble = true;
  expect_alike(teaches, {.batch = 8, .test_locally = true}, true);

  EngineOptions narrow = of(test::small_with_norms(classes), 16);
  narrow.rules.mask.selection = Selection::nested;
  narrow.rules.labels = {.masked = true, .told = true};
  narrow.rules.scaled = true;
  narrow.rules.static_norms = true;
  expect_alike(narrow, {.rate = 0.5, .batch = 8, .choose_masks = true, .test_locally = true}, true,
               false, false, Statistics{.batch = 16});

  model.dropout = 0.5;
  expect_alike(of(std::make_shared<const Architecture>(make_architecture(model)), 8), {.batch = 8},
               false);
}

TEST_F(Gpu, LearnsElementByElement) {
  EngineOptions pruned = of(test::small_with_norms(classes), 16);
  pruned.rules.elements.kind = ElementKind::pruned;
  Reconfigure work{.removal = 0.3, .max_density = 0.8, .rest_s = 1e-3};
  for (const ParameterTensor& p : parameter_tensors(*pruned.architecture)) {
    if (is_prunable(p)) work.each.push_back(1e-6);
  }
  TaskBrief brief{.batch = 8};
  brief.gather_squares = 1;
  brief.bring_squares = true;
  // Which weights are kept may turn on the last bit.
  expect_alike(pruned, brief, false, false, false, work);

  EngineOptions sampled = of(test::small_with_norms(classes), 16);
  sampled.rules.elements.kind = ElementKind::sampled;
  sampled.rules.aggregation.rule = mean_of_masks();
  expect_alike(sampled, {.batch = 8}, false);
}

TEST_F(Gpu, CompressesWhatItSends) {
  for (const int bits : {32, 8, 1}) {
    SCOPED_TRACE(bits);
    expect_alike(of(test::small_with_norms(classes), 16),
                 {.batch = 8, .compression = {.keep = 0.3, .bits = bits}}, bits != 1, false, true);
  }
}

// A new run of the same tasks gives the same bits on the same card.
TEST_F(Gpu, GivesTheSameBitsTwice) {
  for (ModelOptions model : test::small_models()) {
    SCOPED_TRACE(model.architecture);
    if (input_of(model.architecture) == InputKind::tokens) continue;
    model.classes = classes;
    model.channels = 1;
    if (!model.image_size) model.image_size = model.architecture == "mlp" ? 28 : 8;
    const auto architecture = std::make_shared<const Architecture>(make_architecture(model));
    EngineOptions options = of(architecture, *model.image_size);
    options.training.optimizer.learning_rate = 1e-4;
    const auto once = [&] {
      const auto engine = engine_on(options, gpu);
      return run(*engine, engine->initial(), {.batch = 8}, false, false, {});
    };
    const Made a = once();
    const Made b = once();
    EXPECT_EQ(distance(inside(*a.version).tensors, inside(*b.version).tensors), 0);
  }
}

TEST_F(Gpu, IsMeasured) {
  Profile profile{.capacity = 1};
  const ProfileOptions options{
      .device = gpu, .cases = profile_cases(true), .quick = true, .budget_s = 20};
  convoy_profile_warm_up(options);
  convoy_profile(options, profile);
  EXPECT_FALSE(profile.operators.empty());
  ASSERT_EQ(profile.steps.size(), options.cases.size());
  for (const TimedStep& step : profile.steps) EXPECT_GT(step.seconds, 0);
  EXPECT_GT(profile.peak_fp16, 1e12);
  EXPECT_EQ(profile.capacity_note, "cudaMemGetInfo");
  EXPECT_GT(profile.capacity, 1e9);
}

}  // namespace
}  // namespace convoy::engine
