#include "platforms/catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "base/csv.hpp"
#include "platforms/roofline.hpp"
#include "tests/support/hand_machine.hpp"

namespace convoy::platforms {
namespace {

TEST(Catalogue, HasTheNamesThatOthersRelyOnAndNothingIsWrongInThem) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  for (const char* name :
       {"jetson-nano", "jetson-tx2", "jetson-xavier-nx-8gb", "jetson-xavier-nx-16gb",
        "jetson-agx-xavier-32gb", "jetson-orin-nano-8gb", "jetson-orin-nx-16gb",
        "jetson-agx-orin-32gb", "jetson-agx-orin-64gb", "jetson-orin-nx-8gb",
        "jetson-orin-nano-4gb", "jetson-tx2-nx", "server-generic"}) {
    const Device* device = catalogue.device(name);
    ASSERT_NE(device, nullptr) << name;
    EXPECT_EQ(device->name, name);
    for (const PowerMode& mode : device->modes) {
      const Machine m = machine(*device, mode);
      EXPECT_GT(m.memory, m.context) << name;
      // Half precision, with half the bytes, never takes longer.
      EXPECT_GE(2 * m.memory_efficiency[index_of(engine::Number::fp16)],
                m.memory_efficiency[index_of(engine::Number::fp32)])
          << name;
      const double single = m.peak[index_of(engine::Number::fp32)];
      for (const double peak : m.peak) EXPECT_TRUE(peak == 0 || peak >= single) << name;
      EXPECT_GE(mode.busy_w.value, mode.idle_w.value) << name << " " << mode.name;
    }
  }
  for (const char* name : {"ethernet-100m", "gigabit", "wifi5", "wifi6", "lte", "5g"}) {
    ASSERT_NE(catalogue.link(name), nullptr) << name;
    EXPECT_EQ(catalogue.link(name)->name, name);
  }
  EXPECT_NE(catalogue.fleet("jetson16"), nullptr);
  EXPECT_NE(catalogue.fleet("colext14"), nullptr);
  EXPECT_FALSE(problems.has_errors()) << problems.str();
}

TEST(Catalogue, MemoryClassesAreTheNominalSizes) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  const auto class_of = [&](const char* name) {
    const Device* device = catalogue.device(name);
    return machine(*device, device->modes.front()).memory_class_gb;
  };
  EXPECT_EQ(class_of("jetson-nano"), 4);
  EXPECT_EQ(class_of("jetson-xavier-nx-8gb"), 8);
  EXPECT_EQ(class_of("jetson-xavier-nx-16gb"), 16);
  EXPECT_EQ(class_of("jetson-agx-orin-32gb"), 32);
  EXPECT_EQ(class_of("jetson-agx-orin-64gb"), 64);
}

// nvpmodel's figures (modes.csv), by hand: clock x cores x 2, and width x clock.
TEST(Catalogue, ModesHaveTheCoresAndClocksOfTheirBoards) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  const auto mode = [&](const char* device, const char* name) {
    const Device* d = catalogue.device(device);
    const PowerMode* m = d == nullptr ? nullptr : d->mode(name);
    EXPECT_NE(m, nullptr) << device << " " << name;
    return m == nullptr ? Machine() : machine(*d, *m);
  };
  const auto single = index_of(engine::Number::fp32);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nx-16gb", "15W").peak[single], 2 * 512 * 612e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nx-16gb", "15W").memory_bandwidth, 32 * 3199e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nano-8gb", "7W").peak[single], 2 * 512 * 408e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nano-8gb", "MAXN_SUPER").peak[single], 2 * 1024 * 1020e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nano-8gb", "25W").memory_bandwidth, 32 * 3199e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nx-16gb", "40W").peak[single], 2 * 1024 * 1173e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nx-16gb", "MAXN_SUPER").cpu_hz, 1984e6);
  EXPECT_DOUBLE_EQ(mode("jetson-agx-orin-64gb", "15W").peak[single], 2 * 768 * 408e6);
  EXPECT_DOUBLE_EQ(mode("jetson-agx-orin-32gb", "40W").peak[single], 2 * 1792 * 816e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nx-8gb", "20W").peak[single], 2 * 1024 * 408e6);
  EXPECT_DOUBLE_EQ(mode("jetson-orin-nano-4gb", "10W").memory_bandwidth, 16 * 2133e6);
  EXPECT_DOUBLE_EQ(mode("jetson-agx-xavier-32gb", "10W").peak[single], 2 * 256 * 520e6);
  EXPECT_DOUBLE_EQ(mode("jetson-nano", "5W").peak[single], 2 * 128 * 614.4e6);
  // Only Ampere has TF32.
  const auto tf32 = index_of(engine::Number::tf32);
  EXPECT_DOUBLE_EQ(mode("jetson-agx-orin-64gb", "MAXN").peak[tf32], 8 * 2048 * 1300.5e6);
  for (const char* device : {"jetson-nano", "jetson-tx2", "jetson-xavier-nx-8gb"}) {
    EXPECT_EQ(mode(device, catalogue.device(device)->default_mode.c_str()).peak[tf32], 0);
  }
  // Overheads in cycles follow the clocks.
  const Machine fast = mode("jetson-agx-orin-64gb", "MAXN");
  const Machine slow = mode("jetson-agx-orin-64gb", "50W");
  EXPECT_NEAR(slow.launch_overhead / fast.launch_overhead, 2201.6 / 1497.6, 1e-9);
  EXPECT_NEAR(slow.dense_overhead / fast.dense_overhead, 1300.5 / 816, 1e-9);
}

// All rows of modes.csv whose device and mode are in the catalogue.
TEST(Catalogue, AgreesWithTheTableOfModes) {
  const std::filesystem::path file = CONVOY_SOURCE "/../shared/data/jetson/modes.csv";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no " << file;
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  const std::string text = base::read_text_file(file.string());
  base::CsvReader csv(text, file.string());
  int compared = 0;
  const auto names = Catalogue::device_names();
  while (csv.next()) {
    std::string name(csv.cell(csv.column("device")));
    name = name.substr(0, name.find_first_of(" ("));
    std::string wanted(csv.cell(csv.column("mode")));
    if (wanted.starts_with("MODE_")) wanted = wanted.substr(5);
    if (name == "jetson-agx-xavier") name += "-32gb";
    if (name == "jetson-xavier-nx") name += "-8gb";
    static const std::map<std::string, std::string> aliases = {{"30W_ALL", "30W"},
                                                               {"MAXP_CORE_ALL", "MAXP"},
                                                               {"15W_6CORE", "15W"},
                                                               {"20W_6CORE", "20W"},
                                                               {"10W_4CORE", "10W"}};
    if (const auto alias = aliases.find(wanted); alias != aliases.end()) wanted = alias->second;
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    const bool super =
        std::string(csv.cell(csv.column("device"))).find("Super") != std::string::npos;
    const Device& device = *catalogue.device(name);
    const PowerMode* mode = device.mode(wanted);
    // Modes that are in both tables come from the first one.
    if (mode == nullptr || (super && (wanted == "15W" || wanted == "10W"))) continue;
    const double clock = base::parse_number(csv.cell(csv.column("gpu_max_hz")));
    const double cores = base::parse_number(csv.cell(csv.column("cuda_cores")));
    const double memory = base::parse_number(csv.cell(csv.column("emc_hz")));
    const bool capped = name == "jetson-nano" && wanted == "5W";  // 640 MHz is really 614.4
    if (!std::isnan(clock) && !capped) {
      EXPECT_EQ(mode->clocks->gpu_hz.value, clock) << name << " " << wanted;
    }
    EXPECT_EQ(mode->clocks->gpu_cores.value, cores) << name << " " << wanted;
    if (!std::isnan(memory)) {
      EXPECT_EQ(mode->clocks->memory_hz.value, memory) << name << " " << wanted;
    }
    // "12 x 1497600 kHz". One clock comes from a later table: jetson-orin-nx-16gb.toml.
    const std::string cpu(csv.cell(csv.column("cpu cores/clock")));
    const double cpu_khz = base::parse_number(
        base::trimmed(cpu.substr(cpu.find('x') + 1, cpu.find(" kHz") - cpu.find('x') - 1)));
    const bool later = name == "jetson-orin-nx-16gb" && wanted == "15W";
    if (!std::isnan(cpu_khz) && !later) {
      EXPECT_EQ(mode->clocks->cpu_hz.value, 1e3 * cpu_khz) << name << " " << wanted;
    }
    const double cpus = base::parse_number(base::trimmed(cpu.substr(0, cpu.find('x'))));
    if (!std::isnan(cpus)) {
      EXPECT_EQ(mode->clocks->cpu_cores.value, cpus) << name << " " << wanted;
    }
    ++compared;
  }
  EXPECT_GE(compared, 45);
}

TEST(Catalogue, AFigureWithoutAnOriginIsRefused) {
  base::Diagnostics problems;
  const base::Value file = base::parse_toml(
      "name = \"x\"\nduplex = \"full\"\ndown_bps = { value = 1, origin = \"assumed\" }\n"
      "up_bps = { value = 1 }\nlatency_s = { value = 0, origin = \"guessed\" }\n",
      "x.toml", problems);
  read_link(file, problems);
  const std::string text = problems.str();
  EXPECT_NE(text.find("down_bps.note"), std::string::npos) << text;
  EXPECT_NE(text.find("up_bps.origin: missing"), std::string::npos) << text;
  EXPECT_NE(text.find("x.toml:5"), std::string::npos) << text;
}

Machine simple_machine() {
  Machine m = test::hand_machine(100, 10);
  for (auto& shares : m.efficiency) shares[index_of(engine::OpClass::convolution)] = 0.5;
  m.memory_efficiency.fill(0.5);
  m.launch_overhead = 1;
  return m;
}

TEST(Roofline, TakesTheLongerOfArithmeticAndTraffic) {
  using engine::Kernel;
  using engine::OpClass;
  const Machine m = simple_machine();
  // Launched at 1 s; 100 FLOP at 50 FLOP/s take 2 s; 5 B at 5 B/s take 1 s.
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::convolution, 100, 5}}}, m), 3);
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::convolution, 100, 50}}}, m), 11);
}

// A device without that format computes in FP32.
TEST(Roofline, EachFormatHasItsPeakAndItsShares) {
  using engine::Kernel;
  using engine::Number;
  using engine::OpClass;
  Machine m = simple_machine();
  const auto time = [&](OpClass op, Number number) {
    return seconds({{Kernel{op, 1000, 0, number}}}, m) - 1;
  };
  EXPECT_DOUBLE_EQ(time(OpClass::convolution, Number::fp16), 20);
  m.peak[index_of(Number::fp16)] = 800;
  m.peak[index_of(Number::tf32)] = 400;
  m.efficiency[index_of(Number::tf32)][index_of(OpClass::convolution)] = 0.25;
  EXPECT_DOUBLE_EQ(time(OpClass::convolution, Number::fp32), 20);
  EXPECT_DOUBLE_EQ(time(OpClass::convolution, Number::tf32), 10);
  EXPECT_DOUBLE_EQ(time(OpClass::convolution, Number::fp16), 2.5);
  EXPECT_DOUBLE_EQ(time(OpClass::matrix_product, Number::fp16), 1.25);
  // Tensor cores do not compute these classes.
  for (const OpClass op : {OpClass::depthwise, OpClass::elementwise, OpClass::pooling}) {
    EXPECT_DOUBLE_EQ(time(op, Number::fp16), time(op, Number::fp32));
  }
  // The memory efficiency is that of the operands' format.
  m.memory_efficiency[index_of(Number::fp16)] = 0.25;
  const auto moving = [&](Number number) {
    return seconds({{Kernel{OpClass::elementwise, 0, 50, number}}}, m) - 1;
  };
  EXPECT_DOUBLE_EQ(moving(Number::fp32), 10);
  EXPECT_DOUBLE_EQ(moving(Number::fp16), 20);
}

TEST(Roofline, ADeviceThatWaitsForLaunchesDrawsLess) {
  using engine::Kernel;
  using engine::OpClass;
  Machine m = simple_machine();
  m.idle_w = 10;
  m.busy_w = 50;
  const Kernel large{OpClass::matrix_product, 900, 0};  // 9 s
  EXPECT_DOUBLE_EQ(predict({{large}}, m).watts, 10 + 40 * 0.9 * 0.9);
  const Kernel small{OpClass::matrix_product, 50, 0};  // 0.5 s of 1.5
  EXPECT_DOUBLE_EQ(predict({{small}}, m).watts, 10 + 40.0 / 9);
  const Kernel depthwise{OpClass::depthwise, 900, 0};
  m.depthwise_power = 0.5;
  EXPECT_DOUBLE_EQ(predict({{depthwise}}, m).watts, 10 + 40 * 0.9 * 0.45);
  EXPECT_DOUBLE_EQ(predict({}, m).watts, 10);
  m.launches_ahead = false;  // a CPU computes while it launches
  EXPECT_DOUBLE_EQ(predict({{small}}, m).watts, 50);
}

TEST(Roofline, LaunchesOverlapWithRunningAndBindSmallKernels) {
  using engine::Kernel;
  using engine::OpClass;
  const Machine m = simple_machine();
  const Kernel large{OpClass::matrix_product, 1000, 0};  // 10 s
  const Kernel small{OpClass::matrix_product, 10, 0};    // 0.1 s
  EXPECT_DOUBLE_EQ(seconds({{large, small, small}}, m), 1 + 10 + 0.2);
  EXPECT_DOUBLE_EQ(seconds({{small, small, small}}, m), 3 + 0.1);
}

}  // namespace
}  // namespace convoy::platforms
