// The figures that measurements give: found again where the times were made of known ones.

#include "platforms/calibration.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/model/architecture.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/device_file.hpp"
#include "platforms/roofline.hpp"
#include "tests/support/files.hpp"

namespace convoy::platforms {
namespace {

using engine::Kernel;
using engine::OpClass;
using engine::Optimizer;
using engine::StepCost;
using engine::TimedStep;

// A CPU of one core.
Machine small_cpu(bool ahead) {
  Machine m;
  m.peak_fp32 = 1e11;
  m.efficiency = {1, 0.4, 0.2, 0.05, 0.003};
  m.memory_bandwidth = 2e10;
  m.memory_efficiency = 0.4;
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

// Operators of a machine that reaches its peaks with large ones.
std::vector<TimedStep> operators(const Machine& m) {
  constexpr double large = 1e10;
  std::vector<TimedStep> all;
  for (std::size_t i = 0; i < m.efficiency.size(); ++i) {
    const Kernel kernel{static_cast<OpClass>(i), large, 0};
    all.push_back({"large", {{kernel}}, large / (m.peak_fp32 * m.efficiency.at(i))});
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
    EXPECT_EQ(found.machine.peak_fp32, real.peak_fp32);
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
  real.efficiency = {4, 4, 4, 1, 1};
  real.memory_efficiency = 3;
  const Calibration found = calibrate(measured, timed(costs(), real), false);
  for (const double share : found.machine.efficiency) {
    EXPECT_GT(share, 0);
    EXPECT_LE(share, 1);
  }
  EXPECT_LE(found.machine.memory_efficiency, 1);
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
  d.pooling_given = true;
  d.efficiency.fill({0.25, Origin::fitted, ""});
  d.efficiency.back().value = 0.0015;
  d.memory_efficiency = {0.5, Origin::fitted, ""};
  PowerMode mode;
  mode.name = "default";
  mode.peak_fp32 = {1.875e11, Origin::measured, ""};
  mode.peak_fp16 = {1.875e11, Origin::assumed, "as FP32"};
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
  EXPECT_EQ(m.peak_fp32, n.peak_fp32);
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
  device.pooling_given = false;
  device.efficiency.back() = device.efficiency.at(static_cast<std::size_t>(OpClass::elementwise));
  const std::string text = to_toml(device, {});
  EXPECT_EQ(text.find("cache"), std::string::npos);
  EXPECT_EQ(text.find("pooling"), std::string::npos);
  expect_same(read_back(text, problems), device);
  EXPECT_FALSE(problems.has_errors()) << problems.str() << text;
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

TEST(Roofline, DevicesOfTheCatalogueLaunchAheadAndKnowNoCacheAndNoPooling) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  for (const std::string& name : Catalogue::device_names()) {
    const Device* device = catalogue.device(name);
    ASSERT_NE(device, nullptr);
    const Machine m = machine(*device, device->modes.front());
    EXPECT_TRUE(m.launches_ahead) << name;
    EXPECT_EQ(m.cache, 0) << name;
    EXPECT_EQ(m.efficiency.at(static_cast<std::size_t>(OpClass::pooling)),
              m.efficiency.at(static_cast<std::size_t>(OpClass::elementwise)))
        << name;
  }
}

// --- latencies of whole models ------------------------------------------------------------------

TEST(Fit, FindsAMachineFromLatenciesAlone) {
  Machine real;
  real.peak_fp32 = 1e12;
  real.peak_fp16 = 2e12;
  real.memory_bandwidth = 5e10;
  real.efficiency = {0.3, 0.5, 0.5, 0.05, 0.05};
  real.memory_efficiency = 0.5;
  real.launch_overhead = 8e-5;
  real.dense_overhead = 1e-4;
  std::vector<TimedStep> steps;
  for (const char* name : {"alexnet", "resnet18", "resnet50", "vgg11", "vgg16_bn", "densenet121",
                           "squeezenet1_1", "mobilenet_v2", "mnasnet1_0"}) {
    engine::ModelOptions options;
    options.architecture = name;
    options.classes = 1000;
    options.exits = {1.0};
    const auto a = engine::make_architecture(options);
    const StepCost cost = engine::inference_step(engine::trace(a, engine::full_submodel(a)), 1);
    steps.push_back({name, cost, seconds(cost, real, Precision::fp16)});
  }
  const Machine start = usual_machine(real);
  const Calibration found = fit(steps, start, Precision::fp16);
  EXPECT_LT(found.worst_error, 0.05);
  const std::vector<Residual> left_out = leave_one_out(steps, start, Precision::fp16);
  ASSERT_EQ(left_out.size(), steps.size());
  EXPECT_LT(error_quantile(left_out, 0.5), 0.05);
}

TEST(Fit, WhatTheMeasurementsSayNothingOfStaysTheDevicesOwn) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> share(0.02, 0.98);
  for (int trial = 0; trial < 4; ++trial) {
    // A device of any figures, and networks without attention, timed on another one.
    Device device;
    device.name = "mine";
    PowerMode mode;
    mode.name = "MAXN";
    mode.peak_fp32 = {1e12, Origin::datasheet, ""};
    mode.peak_fp16 = {2e12, Origin::datasheet, ""};
    mode.memory_bandwidth = {5e10, Origin::datasheet, ""};
    device.modes = {mode};
    device.launch_overhead = {3e-5, Origin::measured, "own"};
    device.memory_efficiency = {share(random), Origin::measured, "own"};
    for (Figure& f : device.efficiency) f = {share(random), Origin::measured, "own"};
    device.pooling_given = trial % 2 == 0;
    if (trial % 2 == 0) device.dense_overhead = Figure{1e-5, Origin::measured, "own"};
    const Device before = device;
    Machine real = machine(device, mode);
    real.launch_overhead = 8e-5;
    real.dense_overhead = 1e-4;
    real.efficiency[static_cast<std::size_t>(OpClass::convolution)] = 0.37;
    std::vector<TimedStep> steps;
    for (const char* name :
         {"resnet18", "resnet50", "squeezenet1_1", "mobilenet_v2", "mnasnet1_0"}) {
      engine::ModelOptions options;
      options.architecture = name;
      options.exits = {1.0};
      const auto a = engine::make_architecture(options);
      const StepCost cost = engine::inference_step(engine::trace(a, engine::full_submodel(a)), 1);
      steps.push_back({name, cost, seconds(cost, real, Precision::fp16)});
    }
    const Machine start = beginning(steps, machine(device, mode), Precision::fp16);
    const Machine found = fit(steps, start, Precision::fp16).machine;
    const std::vector<std::string> kept = set_fitted(device, start, found, "to five");
    constexpr auto attention = static_cast<std::size_t>(OpClass::attention);
    EXPECT_EQ(device.efficiency[attention].value, before.efficiency[attention].value);
    EXPECT_EQ(device.efficiency[attention].origin, Origin::measured);
    EXPECT_EQ(device.efficiency[attention].note, "own");
    EXPECT_THAT(kept, testing::Contains(testing::StartsWith("attention efficiency")));
    EXPECT_EQ(device.launch_overhead.origin, Origin::fitted);
    // What is written is the machine whose errors are reported.
    const Machine written = machine(device, device.modes.front());
    for (const TimedStep& t : steps) {
      EXPECT_NEAR(seconds(t.cost, written, Precision::fp16),
                  seconds(t.cost, found, Precision::fp16), 1e-9 * t.seconds)
          << t.name;
    }
    // Each figure is either fitted or untouched.
    for (std::size_t i = 0; i < device.efficiency.size(); ++i) {
      const Figure& figure = device.efficiency[i];
      EXPECT_TRUE(figure.origin == Origin::fitted || figure.value == before.efficiency[i].value);
    }
  }
}

// On real Jetsons: models that were left out of the fit are predicted.
TEST(Fit, LatenciesOfModelsLeftOutOnRealJetsons) {
  const std::filesystem::path file =
      CONVOY_SOURCE "/../shared/data/calibration/jetson-pytorch-inference.csv";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file;
  for (const auto& [device, rows] :
       {std::pair{"jetson-nano", "jetson-nano"}, {"jetson-agx-xavier-32gb", "jetson-agx-xavier"}}) {
    const test::Output out =
        test::convoy(fmt::format("calibrate {} --device {} --rows {} --power-mode MAXN --json",
                                 file.string(), device, rows));
    ASSERT_EQ(out.status, 0) << out.err;
    const auto json = nlohmann::json::parse(out.out);
    EXPECT_LT(json["left_out"]["median_error"], 0.15) << device;
    EXPECT_LT(json["left_out"]["p90_error"], 0.35) << device;
    EXPECT_GE(json["models"].size(), 12U);
    // The catalogue's figures are those of the fit to all of them.
    for (const auto& model : json["models"]) {
      const test::Output said = test::convoy(
          fmt::format("predict --device {} --power-mode MAXN --model {} --precision fp16 --json",
                      device, model["model"].get<std::string>()));
      ASSERT_EQ(said.status, 0) << said.err;
      const double fitted = model["fitted_s"];
      EXPECT_NEAR(nlohmann::json::parse(said.out)["seconds"], fitted, 0.1 * fitted) << model;
    }
  }
}

}  // namespace
}  // namespace convoy::platforms
