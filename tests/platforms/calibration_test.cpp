// Tests that calibration finds the figures from which the measured times were made.

#include "platforms/calibration.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/model/architecture.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/device_file.hpp"
#include "platforms/fitted_device.hpp"
#include "platforms/power_fit.hpp"
#include "platforms/roofline.hpp"
#include "tests/support/files.hpp"

namespace convoy::platforms {
namespace {

using engine::Kernel;
using engine::OpClass;
using engine::Optimizer;
using engine::StepCost;
using engine::TimedStep;

constexpr std::size_t single = index_of(engine::Number::fp32);
constexpr std::size_t half = index_of(engine::Number::fp16);

// A CPU with one core.
Machine small_cpu(bool ahead) {
  Machine m;
  m.peak[single] = 1e11;
  m.efficiency[single] = {1, 0.4, 0.2, 0.03, 0.05, 0.003};
  m.memory_bandwidth = 2e10;
  m.memory_efficiency.fill(0.4);
  m.launch_overhead = 6e-6;
  m.launches_ahead = ahead;
  m.cache = 1 << 20;
  m.cache_bandwidth = 8e10;
  return m;
}

StepCost step_of(const std::string& architecture, int batch, Optimizer optimizer) {
  engine::ModelOptions options;
  options.architecture = architecture;
  const auto a = engine::make_architecture(options);
  return engine::training_step(engine::trace(a, engine::full_submodel(a)), optimizer,
                               engine::Phase::weights, batch);
}

std::vector<TimedStep> timed(const std::vector<StepCost>& costs, const Machine& machine) {
  std::vector<TimedStep> all;
  for (const StepCost& cost : costs) all.push_back({"step", cost, seconds(cost, machine)});
  return all;
}

// Operators of a machine that reaches its peaks with large sizes.
std::vector<TimedStep> operators(const Machine& m) {
  constexpr double large = 1e10;
  std::vector<TimedStep> all;
  for (const auto& op : engine::op_class_words) {
    const Kernel kernel{op.value, large, 0};
    all.push_back({"large", {{kernel}}, large / m.flops_per_s(kernel)});
  }
  all.push_back({"sum", {{Kernel{OpClass::elementwise, 1, large}}}, large / m.memory_bandwidth});
  all.push_back(
      {"in the cache", {{Kernel{OpClass::elementwise, 1, 8e5}}}, 8e5 / m.cache_bandwidth});
  all.push_back({"small", {{Kernel{OpClass::elementwise, 1, 8}}}, 5e-7});
  return all;
}

std::vector<StepCost> costs() {
  return {step_of("mlp", 8, Optimizer::sgd_momentum),
          step_of("mlp", 32, Optimizer::adan),
          step_of("cnn-small", 8, Optimizer::sgd),
          step_of("cnn-small", 32, Optimizer::adamw),
          step_of("vit-micro", 4, Optimizer::adamw),
          step_of("vit-micro", 32, Optimizer::sgd),
          step_of("resnet18-cifar", 4, Optimizer::sgd_momentum)};
}

void expect_predicted(const Machine& found, const Machine& real, double within) {
  for (const auto& [name, batch] :
       {std::pair{"cnn-small", 16}, {"vit-micro", 12}, {"mlp", 64}, {"resnet18-cifar", 8}}) {
    const StepCost cost = step_of(name, batch, Optimizer::adamw);
    EXPECT_NEAR(seconds(cost, found) / seconds(cost, real), 1, within) << name << " " << batch;
  }
}

TEST(Calibration, PredictsStepsThatItHasNotSeen) {
  for (const bool ahead : {false, true}) {
    const Machine real = small_cpu(ahead);
    const Calibration found = calibrate(operators(real), timed(costs(), real), ahead);
    EXPECT_LT(found.median_error, 0.02);
    EXPECT_LT(found.worst_error, 0.08);
    EXPECT_EQ(found.machine.peak, real.peak);
    EXPECT_EQ(found.machine.launches_ahead, ahead);
    expect_predicted(found.machine, real, 0.1);
  }
}

TEST(Calibration, OneDisturbedStepDoesNotSpoilTheOthers) {
  const Machine real = small_cpu(false);
  std::vector<TimedStep> steps = timed(costs(), real);
  steps.push_back(steps[2]);
  steps.back().seconds *= 2;
  const Calibration found = calibrate(operators(real), steps, false);
  EXPECT_NEAR(found.steps.back().error(), -0.5, 0.1);
  EXPECT_LT(found.median_error, 0.03);
  expect_predicted(found.machine, real, 0.15);
}

TEST(Calibration, TheSameMeasurementsGiveTheSameFigures) {
  const Machine real = small_cpu(false);
  const auto once = calibrate(operators(real), timed(costs(), real), false);
  const auto again = calibrate(operators(real), timed(costs(), real), false);
  EXPECT_EQ(once.machine.efficiency, again.machine.efficiency);
  EXPECT_EQ(once.machine.launch_overhead, again.machine.launch_overhead);
}

TEST(Calibration, SharesOfAPeakStayBelowIt) {
  Machine real = small_cpu(false);
  const auto measured = operators(real);
  real.efficiency[single] = {4, 4, 4, 1, 1, 1};
  real.memory_efficiency.fill(3);
  const Calibration found = calibrate(measured, timed(costs(), real), false);
  for (const double share : found.machine.efficiency[single]) {
    EXPECT_GT(share, 0);
    EXPECT_LE(share, 1);
  }
  EXPECT_LE(found.machine.memory_efficiency[single], 1);
}

// --- the file -----------------------------------------------------------------------------------

Device some_device() {
  Device d;
  d.name = "mine";
  d.description = R"(a "quoted" \ name)";
  d.default_mode = "default";
  d.capacity = {4294967296, Origin::measured, "MemTotal"};
  d.reserved = {123456789, Origin::measured, ""};
  d.cache = Figure{1048576, Origin::fitted, ""};
  d.context = {2e8, Origin::measured, ""};
  d.launch_overhead = {6.125e-6, Origin::fitted, ""};
  d.launches_ahead = false;
  d.efficiency[single].fill(Figure{0.25, Origin::fitted, ""});
  d.efficiency[single].back()->value = 0.0015;
  d.efficiency[half].front() = Figure{0.375, Origin::fitted, ""};
  d.memory_efficiency[single] = Figure{0.5, Origin::fitted, ""};
  d.memory_efficiency[half] = Figure{0.3, Origin::fitted, ""};
  d.depthwise_power = Figure{0.4, Origin::assumed, "guessed"};
  d.uncertainty = {{0.1, Origin::measured, "10 rows"},
                   {0.3, Origin::measured, "10 rows"},
                   {"fp32", "fp16-mixed"},
                   true};
  PowerMode mode;
  mode.name = "default";
  mode.peak[single] = Figure{1.875e11, Origin::measured, ""};
  mode.peak[half] = Figure{2.5e11, Origin::assumed, "guessed"};
  mode.memory_bandwidth = {2e10, Origin::measured, ""};
  mode.cache_bandwidth = Figure{8e10, Origin::fitted, ""};
  mode.idle_w = {0, Origin::assumed, "not measured"};
  mode.busy_w = {0, Origin::assumed, "not measured"};
  d.modes = {mode};
  return d;
}

void expect_same(const Device& a, const Device& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.description, b.description);
  EXPECT_EQ(a.assumed(a.modes.front()), b.assumed(b.modes.front()));
  const Machine m = machine(a, a.modes.front());
  const Machine n = machine(b, b.modes.front());
  EXPECT_EQ(m.peak, n.peak);
  EXPECT_EQ(m.cpu_hz, n.cpu_hz);
  EXPECT_EQ(m.gpu_hz, n.gpu_hz);
  EXPECT_EQ(m.dense_overhead, n.dense_overhead);
  EXPECT_EQ(m.depthwise_power, n.depthwise_power);
  EXPECT_EQ(m.idle_w, n.idle_w);
  EXPECT_EQ(m.busy_w, n.busy_w);
  EXPECT_EQ(a.uncertainty.has_value(), b.uncertainty.has_value());
  if (a.uncertainty && b.uncertainty) {
    EXPECT_EQ(a.uncertainty->median.value, b.uncertainty->median.value);
    EXPECT_EQ(a.uncertainty->p90.note, b.uncertainty->p90.note);
    EXPECT_EQ(a.uncertainty->precisions, b.uncertainty->precisions);
    EXPECT_EQ(a.uncertainty->training, b.uncertainty->training);
  }
  EXPECT_EQ(m.efficiency, n.efficiency);
  EXPECT_EQ(m.memory_bandwidth, n.memory_bandwidth);
  EXPECT_EQ(m.memory_efficiency, n.memory_efficiency);
  EXPECT_EQ(m.launch_overhead, n.launch_overhead);
  EXPECT_EQ(m.launches_ahead, n.launches_ahead);
  EXPECT_EQ(m.cache, n.cache);
  EXPECT_EQ(m.cache_bandwidth, n.cache_bandwidth);
  EXPECT_EQ(m.memory, n.memory);
  EXPECT_EQ(m.context, n.context);
}

Device read_back(const std::string& text, base::Diagnostics& problems) {
  return read_device(base::parse_toml(text, "mine.toml", problems), problems);
}

TEST(DeviceFile, IsReadBackAsItWas) {
  base::Diagnostics problems;
  Device device = some_device();
  const std::string text = to_toml(device, {"a comment", "another\nname = 1"});
  expect_same(read_back(text, problems), device);
  EXPECT_FALSE(problems.has_errors()) << problems.str() << text;
}

TEST(DeviceFile, WhatMayBeLeftOutIsLeftOut) {
  base::Diagnostics problems;
  Device device = some_device();
  device.cache.reset();
  device.modes.front().cache_bandwidth.reset();
  device.launches_ahead = true;
  device.efficiency[single].back().reset();
  device.efficiency[single][index_of(OpClass::depthwise)].reset();
  device.efficiency[half].front().reset();
  device.memory_efficiency[half].reset();
  device.modes.front().peak[half].reset();
  device.depthwise_power.reset();
  device.uncertainty.reset();
  const std::string text = to_toml(device, {});
  EXPECT_EQ(text.find("cache"), std::string::npos);
  for (const char* word : {"pooling", "depthwise", "fp16", "[power]", "[uncertainty]"}) {
    EXPECT_EQ(text.find(word), std::string::npos) << word;
  }
  expect_same(read_back(text, problems), device);
  EXPECT_FALSE(problems.has_errors()) << problems.str() << text;
}

// A device of the catalogue, with a chip and clocks: writing and reading gives the same device.
TEST(DeviceFile, OfTheCatalogueAreReadBackAsTheyWere) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  for (const std::string& name : Catalogue::device_names()) {
    const Device& device = *catalogue.device(name);
    const std::string text = to_toml(device, {});
    const Device again = read_back(text, problems);
    expect_same(again, device);
    EXPECT_EQ(to_toml(again, {}), text);
  }
  EXPECT_FALSE(problems.has_errors()) << problems.str();
}

TEST(DeviceFile, ACacheWithoutItsBandwidthIsRefused) {
  base::Diagnostics problems;
  Device device = some_device();
  device.modes.front().cache_bandwidth.reset();
  read_back(to_toml(device, {}), problems);
  EXPECT_NE(problems.str().find("give both, or neither"), std::string::npos) << problems.str();
}

// --- the roofline's further figures -------------------------------------------------------------

TEST(Roofline, OnACpuNothingRunsWhileAKernelIsLaunched) {
  Machine m = small_cpu(false);
  const Kernel kernel{OpClass::matrix_product, 4e10, 0};  // 1 s
  EXPECT_DOUBLE_EQ(seconds({{kernel, kernel}}, m), 2 + 2 * m.launch_overhead);
  m.launches_ahead = true;
  EXPECT_DOUBLE_EQ(seconds({{kernel, kernel}}, m), 2 + m.launch_overhead);
}

TEST(Roofline, SmallKernelsFindTheirOperandsInTheCache) {
  Machine m = small_cpu(false);
  m.launch_overhead = 0;
  const double fits = m.cache;
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::elementwise, 0, fits}}}, m), fits / 8e10);
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::elementwise, 0, 2 * fits}}}, m), 2 * fits / 8e9);
  m.cache = 0;
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::elementwise, 0, fits}}}, m), fits / 8e9);
}

TEST(Roofline, DevicesOfTheCatalogueLaunchAheadAndKnowNoCache) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  for (const std::string& name : Catalogue::device_names()) {
    const Device* device = catalogue.device(name);
    ASSERT_NE(device, nullptr);
    const Machine m = machine(*device, device->modes.front());
    EXPECT_TRUE(m.launches_ahead) << name;
    EXPECT_EQ(m.cache, 0) << name;
  }
}

// --- latencies of whole models ------------------------------------------------------------------

StepCost inference_of(const std::string& name, int batch,
                      engine::Precision precision = engine::Precision::fp32) {
  engine::ModelOptions options;
  options.architecture = name;
  options.classes = 1000;
  options.exits = {1.0};
  const auto a = engine::make_architecture(options);
  return engine::inference_step(engine::trace(a, engine::full_submodel(a)), batch, precision);
}

// A GPU in one mode, with overheads in cycles.
Machine gpu(const std::string& mode, double cores, double gpu_hz, double memory_hz, double cpu_hz) {
  Machine m;
  m.device = "mine";
  m.mode = mode;
  m.peak = {2 * cores * gpu_hz, 8 * cores * gpu_hz, 16 * cores * gpu_hz};
  m.memory_bandwidth = 64 * memory_hz;
  m.efficiency = {{{0.5, 0.3, 0.5, 0.012, 0.05, 0.05},
                   {0.4, 0.3, 0.5, 0.012, 0.05, 0.05},
                   {0.3, 0.25, 0.5, 0.012, 0.05, 0.05}}};
  m.memory_efficiency = {0.5, 0.5, 0.4};
  m.cpu_hz = cpu_hz;
  m.gpu_hz = gpu_hz;
  m.gpu_cores = cores;
  m.launch_overhead = 1.5e5 / cpu_hz;
  m.dense_overhead = 2e4 / gpu_hz;
  return m;
}

const std::vector<Machine>& three_modes() {
  static const std::vector<Machine> modes = {gpu("slow", 256, 4e8, 1e9, 1e9),
                                             gpu("middle", 512, 6e8, 2e9, 1.5e9),
                                             gpu("fast", 512, 1.2e9, 3e9, 2.2e9)};
  return modes;
}

const std::vector<std::string>& many_models() {
  static const std::vector<std::string> names = {"alexnet",    "resnet18",     "resnet50",
                                                 "vgg11",      "vgg16_bn",     "squeezenet1_1",
                                                 "mnasnet1_0", "mobilenet_v2", "bert-small"};
  return names;
}

TEST(Fit, FindsAMachineFromLatenciesOfSeveralModesAndPrecisions) {
  std::vector<Observation> all;
  std::vector<std::string> models;
  std::vector<std::string> modes;
  for (const Machine& m : three_modes()) {
    for (const std::string& name : many_models()) {
      const bool in_half = name == "resnet18" || name == "bert-small";
      const auto precision = in_half ? engine::Precision::fp16 : engine::Precision::fp32;
      const StepCost cost = inference_of(name, 2, precision);
      all.push_back({{name, cost, seconds(cost, m)}, m});
      models.push_back(name);
      modes.push_back(m.mode);
    }
  }
  const std::vector<Observation> from = beginning(all);
  for (const Observation& o : from) EXPECT_NE(o.machine.efficiency, all.front().machine.efficiency);
  const Fit found = fit(from);
  EXPECT_LT(error_quantile(found.steps, 1), 0.05);
  EXPECT_LT(error_quantile(leave_out(from, models), 0.5), 0.05);
  EXPECT_LT(error_quantile(leave_out(from, modes), 0.5), 0.05);
  // The fit has seen neither this mode nor this training step.
  const Machine other = gpu("other", 384, 9e8, 2.5e9, 1.8e9);
  const StepCost step = step_of("resnet50", 8, Optimizer::sgd);
  EXPECT_NEAR(seconds(step, found.on(other)) / seconds(step, other), 1, 0.1);
}

TEST(Fit, WhatTheMeasurementsSayNothingOfStaysTheDevicesOwn) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> share(0.02, 0.98);
  for (int trial = 0; trial < 4; ++trial) {
    // A device with random figures; the times come from networks without attention on another
    // machine.
    Device device;
    device.name = "mine";
    PowerMode mode;
    mode.name = "MAXN";
    mode.peak[single] = Figure{1e12, Origin::datasheet, ""};
    mode.peak[half] = Figure{2e12, Origin::datasheet, ""};
    mode.memory_bandwidth = {5e10, Origin::datasheet, ""};
    device.modes = {mode};
    const auto own = [&] { return Figure{share(random), Origin::measured, "own"}; };
    device.launch_overhead = {3e-5, Origin::measured, "own"};
    for (auto& f : device.efficiency[single]) f = own();
    // Enough memory bandwidth that it does not limit all convolutions: otherwise their efficiency
    // could not be found.
    constexpr double enough = 0.5;
    device.memory_efficiency[single] =
        Figure{std::max(enough, share(random)), Origin::measured, "own"};
    if (trial % 2 == 0) {
      device.dense_overhead = Figure{1e-5, Origin::measured, "own"};
    } else {
      device.efficiency[single][index_of(OpClass::pooling)].reset();
      device.efficiency[single][index_of(OpClass::depthwise)].reset();
    }
    if (trial >= 2) {
      device.cache = Figure{1e6, Origin::measured, "own"};
      device.modes.front().cache_bandwidth = Figure{4e10, Origin::measured, "own"};
    }
    const Device before = device;
    Machine real = machine(device, device.modes.front());
    if (trial >= 2) real.cache_bandwidth = 1.5e11;
    real.launch_overhead = 8e-5;
    real.dense_overhead = 1e-4;
    real.efficiency[half][index_of(OpClass::convolution)] = 0.37;
    std::vector<Observation> observations;
    for (const char* name :
         {"resnet18", "resnet50", "squeezenet1_1", "mobilenet_v2", "mnasnet1_0"}) {
      const StepCost cost = inference_of(name, 1, engine::Precision::fp16);
      observations.push_back(
          {{name, cost, seconds(cost, real)}, machine(device, device.modes.front())});
    }
    const Fit found = fit(beginning(observations));
    const std::vector<std::string> kept = set_fitted(device, found, "to five");
    constexpr std::size_t attention = index_of(OpClass::attention);
    EXPECT_EQ(device.efficiency[single][attention]->value,
              before.efficiency[single][attention]->value);
    EXPECT_EQ(device.efficiency[single][attention]->note, "own");
    EXPECT_THAT(kept, testing::Contains(testing::StartsWith("attention efficiency")));
    // Measurements in half precision do not change FP32's figures.
    EXPECT_EQ(device.efficiency[single][index_of(OpClass::convolution)]->note, "own");
    EXPECT_EQ(device.memory_efficiency[single]->note, "own");
    EXPECT_EQ(device.efficiency[half][index_of(OpClass::convolution)]->origin, Origin::fitted);
    // The written device is the machine whose errors are reported.
    const Machine written = machine(device, device.modes.front());
    for (const Residual& r : found.steps) {
      const auto at = static_cast<std::size_t>(&r - found.steps.data());
      EXPECT_NEAR(seconds(observations[at].step.cost, written), r.predicted, 1e-9 * r.measured)
          << r.name;
    }
    // Each figure is either fitted or untouched.
    for (std::size_t n = 0; n < engine::number_formats; ++n) {
      for (std::size_t i = 0; i < engine::op_classes; ++i) {
        const auto& now = device.efficiency[n][i];
        const auto& then = before.efficiency[n][i];
        const bool fitted = now && now->origin == Origin::fitted;
        EXPECT_TRUE(fitted || now.has_value() == then.has_value()) << n << " " << i;
        if (!fitted && now && then) {
          EXPECT_EQ(now->value, then->value) << n << " " << i;
        }
      }
    }
  }
}

// --- draws --------------------------------------------------------------------------------------

TEST(PowerFit, FindsTheRuleAndWhatAModeDrawsThatItHasNotSeen) {
  const PowerFit real{8, 0.4, 0.45};
  std::vector<DrawObservation> all;
  std::vector<std::string> modes;
  for (Machine m : three_modes()) {
    m.idle_w = 3 + m.gpu_hz / 1e9;
    for (const char* name : {"resnet50", "mobilenet_v2", "bert-small"}) {
      DrawObservation o{name, inference_of(name, 4), m, 0};
      o.watts = real.predicted(o);
      all.push_back(std::move(o));
      modes.push_back(m.mode);
    }
  }
  const PowerFit found = fit_power(all);
  EXPECT_NEAR(found.watts / real.watts, 1, 0.03);
  EXPECT_NEAR(found.depthwise, real.depthwise, 0.03);
  for (const DrawObservation& o : all) EXPECT_NEAR(found.predicted(o) / o.watts, 1, 0.02);
  EXPECT_LT(error_quantile(leave_out(all, modes), 1), 0.15);
}

// --- on real Jetsons ----------------------------------------------------------------------------

// The bounds for models and modes that no fit has seen.
TEST(Fit, RowsLeftOutOnRealJetsons) {
  const std::string shared = CONVOY_SOURCE "/../shared/data/";
  const std::string measured = shared + "jetson/measured.csv";
  const std::string latencies = shared + "calibration/jetson-pytorch-inference.csv";
  for (const std::string& file : {measured, latencies}) {
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file;
  }
  const test::Output out =
      test::convoy(fmt::format("validate {} {} --odd {} --json", measured, latencies,
                               CONVOY_SOURCE "/platforms/odd-rows.toml"));
  ASSERT_EQ(out.status, 0) << out.err;
  const auto json = nlohmann::json::parse(out.out);
  std::map<std::string, nlohmann::json> groups;
  for (const auto& group : json["groups"]) {
    groups[group["device"].get<std::string>() + " " + group["metric"].get<std::string>()] = group;
  }
  const auto expect = [&](const std::string& name, const char* kind, double median, double p90) {
    ASSERT_TRUE(groups.contains(name)) << name;
    ASSERT_TRUE(groups[name].contains(kind)) << name << " " << kind;
    EXPECT_LT(groups[name][kind]["median_error"], median) << name << " " << kind;
    EXPECT_LT(groups[name][kind]["p90_error"], p90) << name << " " << kind;
  };
  const std::string orin = "jetson-agx-orin-64gb ";
  expect(orin + "step_time_s", "models_left_out", 0.15, 0.35);
  expect(orin + "step_time_s", "modes_left_out", 0.15, 0.35);
  expect(orin + "power_w", "modes_left_out", 0.15, 1);
  expect("jetson-agx-xavier-32gb power_w", "modes_left_out", 0.15, 1);
  // Predictions for FP16 stay as good as before, within two points.
  expect("jetson-nano step_time_s", "models_left_out", 0.069, 0.17);
  expect("jetson-agx-xavier-32gb step_time_s", "models_left_out", 0.074, 0.11);
  EXPECT_EQ(groups[orin + "step_time_s"]["rows"].size(), 39U);
  for (const auto& row : groups[orin + "step_time_s"]["rows"]) {
    if (row["model"] != "resnet50") continue;
    const double ratio = row["predicted"].get<double>() / row["measured"].get<double>();
    EXPECT_NEAR(ratio, 1, 0.25) << row;
  }
  // The catalogue's figures come from such fits: their errors do not exceed those of left-out rows.
  for (const auto& [name, group] : groups) {
    if (!group.contains("models_left_out")) continue;
    EXPECT_LE(group["predicted"]["median_error"], group["models_left_out"]["median_error"]) << name;
  }
}

}  // namespace
}  // namespace convoy::platforms
