#include "platforms/catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "platforms/roofline.hpp"

namespace convoy::platforms {
namespace {

TEST(Catalogue, HasTheNamesThatOthersRelyOnAndNothingIsWrongInThem) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  for (const char* name :
       {"jetson-nano", "jetson-tx2", "jetson-xavier-nx-8gb", "jetson-xavier-nx-16gb",
        "jetson-agx-xavier-32gb", "jetson-orin-nano-8gb", "jetson-orin-nx-16gb",
        "jetson-agx-orin-32gb", "jetson-agx-orin-64gb", "server-generic"}) {
    const Device* device = catalogue.device(name);
    ASSERT_NE(device, nullptr) << name;
    EXPECT_EQ(device->name, name);
    for (const PowerMode& mode : device->modes) {
      const Machine m = machine(*device, mode);
      EXPECT_GT(m.memory, m.context) << name;
      EXPECT_GE(mode.peak_fp16.value, mode.peak_fp32.value) << name;
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
  Machine m;
  m.peak_fp32 = 100;
  m.memory_bandwidth = 10;
  m.efficiency = {0.5, 1, 1, 1, 1};
  m.memory_efficiency = 0.5;
  m.launch_overhead = 1;
  return m;
}

TEST(Roofline, TakesTheLongerOfArithmeticAndTraffic) {
  using engine::Kernel;
  using engine::OpClass;
  const Machine m = simple_machine();
  // Launched at 1; 100 FLOP at 50 FLOP/s: 2 s; 5 B at 5 B/s: 1 s.
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::convolution, 100, 5}}}, m), 3);
  EXPECT_DOUBLE_EQ(seconds({{Kernel{OpClass::convolution, 100, 50}}}, m), 11);
}

TEST(Roofline, InHalfPrecisionHalfTheBytesMoveAndItsOwnPeakCounts) {
  using engine::Kernel;
  using engine::OpClass;
  Machine m = simple_machine();
  m.peak_fp16 = 4 * m.peak_fp32;
  const Kernel moves{OpClass::convolution, 0, 50};       // 10 s in single precision
  const Kernel computes{OpClass::convolution, 1000, 0};  // 20 s
  EXPECT_DOUBLE_EQ(seconds({{moves}}, m, Precision::fp32), 1 + 10);
  EXPECT_DOUBLE_EQ(seconds({{moves}}, m, Precision::fp16), 1 + 5);
  EXPECT_DOUBLE_EQ(seconds({{computes}}, m, Precision::fp32), 1 + 20);
  EXPECT_DOUBLE_EQ(seconds({{computes}}, m, Precision::fp16), 1 + 5);
  // What fits a cache is what is moved: half of it.
  m.cache = 30;
  m.cache_bandwidth = 25;
  EXPECT_DOUBLE_EQ(seconds({{moves}}, m, Precision::fp32), 1 + 10);
  EXPECT_DOUBLE_EQ(seconds({{moves}}, m, Precision::fp16), 1 + 1);
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
