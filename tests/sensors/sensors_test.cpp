#include "sensors/sensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/diagnostics.hpp"
#include "sensors/jetson_names.hpp"
#include "tests/sensors/machine.hpp"

namespace convoy::sensors {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(Sensors, NothingThere) {
  const Machine machine;
  const auto sensors = Sensors::open(machine.options());
  const SensorReading reading = sensors->read();
  EXPECT_FALSE(reading.power_w || reading.temperature_c || reading.cpu_load || reading.gpu_load ||
               reading.memory_used_bytes || reading.memory_total_bytes);
  EXPECT_THAT(sensors->sources(), IsEmpty());
  EXPECT_THAT(
      sensors->missing(),
      ElementsAre("power: no INA3221 under " + machine.path(i2c + "ina3221") +
                      " and tegrastats is not to be run",
                  "temperature: no zone of a CPU, GPU or SoC in " +
                      machine.path("sys/class/thermal") + " and tegrastats is not to be run",
                  "CPU load: " + machine.path("proc/stat") +
                      " cannot be read and tegrastats is not to be run",
                  "GPU load: no load of a Tegra GPU in " + machine.path("sys/devices") +
                      " and tegrastats is not to be run",
                  "memory: " + machine.path("proc/meminfo") +
                      " cannot be read and tegrastats is not to be run"));
}

TEST(Sensors, JetPack4) {
  const Machine machine;
  machine.write_iio("6-0040", 0, "POM_5V_IN", "2064");
  machine.write_iio("6-0040", 1, "POM_5V_GPU", "40");
  machine.write_iio("6-0040", 2, "POM_5V_CPU", "123");
  machine.write_zone(0, "AO-therm", "46000");
  machine.write_zone(1, "CPU-therm", "40500");
  machine.write_zone(2, "GPU-therm", "41000");
  machine.write_zone(3, "PLL-therm", "47000");
  machine.write_zone(4, "PMIC-Die", "100000");
  machine.write_zone(5, "thermal-fan-est", "48000");
  machine.write("sys/devices/gpu.0/load", "160");
  machine.write_load(100, 900);
  machine.write_memory();
  const auto sensors = Sensors::open(machine.options());
  EXPECT_THAT(sensors->missing(), IsEmpty());
  SensorReading reading = sensors->read();
  EXPECT_DOUBLE_EQ(reading.power_w.value(), 2.064);
  EXPECT_DOUBLE_EQ(reading.temperature_c.value(), 41);
  EXPECT_DOUBLE_EQ(reading.gpu_load.value(), 0.16);
  EXPECT_FALSE(reading.cpu_load.has_value());  // there is no earlier reading to compare with
  EXPECT_DOUBLE_EQ(reading.memory_used_bytes.value(), 2000 * 1024.0);
  EXPECT_DOUBLE_EQ(reading.memory_total_bytes.value(), 8000 * 1024.0);
  machine.write_load(125, 975);
  reading = sensors->read();
  EXPECT_DOUBLE_EQ(reading.cpu_load.value(), 0.25);
  EXPECT_EQ(where(*sensors, "power"),
            "INA3221 " + machine.path(i2c + "ina3221x/6-0040/iio:device0") + " POM_5V_IN (module)");
  EXPECT_EQ(where(*sensors, "temperature"),
            "the hottest of " + machine.path(thermal + "thermal_zone1") + " (CPU-therm), " +
                machine.path(thermal + "thermal_zone2") + " (GPU-therm)");
  EXPECT_EQ(where(*sensors, "GPU load"), machine.path("sys/devices/gpu.0/load"));
  EXPECT_EQ(where(*sensors, "CPU load"), machine.path("proc/stat"));
  EXPECT_EQ(where(*sensors, "memory"), machine.path("proc/meminfo"));
}

// TX2: the module's and the carrier's monitors, with the folder's older name.
TEST(Sensors, Tx2) {
  const Machine machine;
  const std::string module = i2c + "ina3221x/0-0041/iio_device/";
  machine.write(module + "rail_name_0", "VDD_IN");
  machine.write(module + "in_voltage0_input", "19000");
  machine.write(module + "in_current0_input", "200");
  machine.write_iio("0-0042", 0, "VDD_MUX", "6000");
  const auto sensors = Sensors::open(machine.options());
  EXPECT_DOUBLE_EQ(sensors->read().power_w.value(), 3.8);
}

TEST(Sensors, JetPack6) {
  const Machine machine;
  machine.write_hwmon("1-0040", 1, "VDD_IN", "5000", "1000");
  machine.write_hwmon("1-0040", 2, "VDD_CPU_GPU_CV", "5000", "300");
  machine.write_hwmon("1-0040", 3, "VDD_SOC", "5000", "200");
  machine.write_hwmon("1-0040", 7, "sum of shunt voltages", "8080", "1");
  machine.write_zone(0, "cpu-thermal", "66000");
  machine.write_zone(1, "gpu-thermal", "60000");
  machine.write_unreadable(thermal + "thermal_zone2/temp");
  machine.write(thermal + "thermal_zone2/type", "cv0-thermal");
  machine.write_zone(8, "tj-thermal", "65625");
  machine.write("sys/devices/platform/bus@0/17000000.gpu/load", "843");
  const auto sensors = Sensors::open(machine.options());
  const SensorReading reading = sensors->read();
  EXPECT_DOUBLE_EQ(reading.power_w.value(), 5);
  EXPECT_DOUBLE_EQ(reading.temperature_c.value(),
                   65.625);  // of the junction, although it is not the hottest zone
  EXPECT_DOUBLE_EQ(reading.gpu_load.value(), 0.843);
  EXPECT_EQ(where(*sensors, "temperature"),
            machine.path(thermal + "thermal_zone8") + " (tj-thermal)");
}

TEST(Sensors, AgxXavierOnJetPack5) {
  const Machine machine;
  int channel = 0;
  for (const char* rail : {"GPU", "CPU", "SOC"}) {
    machine.write_hwmon("1-0040", ++channel, rail, "10000", "100");
  }
  channel = 0;
  for (const char* rail : {"CV", "VDDRQ", "SYS5V"}) {
    machine.write_hwmon("1-0041", ++channel, rail, "10000", "200");
  }
  const auto sensors = Sensors::open(machine.options());
  EXPECT_DOUBLE_EQ(sensors->read().power_w.value(), 9);
  // If a rail cannot be read there is no total, rather than one that is too small.
  machine.write_unreadable(i2c + "ina3221/1-0041/hwmon/hwmon3/curr3_input");
  EXPECT_FALSE(sensors->read().power_w.has_value());
  EXPECT_THAT(Sensors::open(machine.options())->missing()[0],
              StartsWith("power: rail SYS5V in " + machine.path(i2c + "ina3221/1-0041/hwmon")));
}

TEST(Sensors, AgxOrin) {
  const Machine machine;
  machine.write_hwmon("1-0040", 1, "VDD_GPU_SOC", "20000", "150");
  machine.write_hwmon("1-0040", 2, "VDD_CPU_CV", "20000", "50");
  machine.write_hwmon("1-0040", 3, "VIN_SYS_5V0", "5000", "800");
  machine.write_hwmon("1-0041", 1, "NC", "20000", "900");
  machine.write_hwmon("1-0041", 2, "VDDQ_VDD2_1V8AO", "5000", "200");
  const auto sensors = Sensors::open(machine.options());
  EXPECT_DOUBLE_EQ(sensors->read().power_w.value(), 8);
}

TEST(Sensors, Thor) {
  const Machine machine;
  machine.write_hwmon("2-0040", 1, "VDD_GPU", "12000", "-32");
  machine.write_hwmon("2-0040", 2, "VDD_CPU_SOC_MSS", "12000", "500");
  machine.write_hwmon("2-0040", 3, "VIN_SYS_5V0", "5000", "1000");
  EXPECT_NEAR(Sensors::open(machine.options())->read().power_w.value(), 10.616, 1e-9);
  const std::string input = i2c + "ina238/2-0044/hwmon/hwmon5/";
  machine.write(input + "in1_input", "20000");
  machine.write(input + "curr1_input", "1400");
  EXPECT_NEAR(Sensors::open(machine.options())->read().power_w.value(), 28, 1e-9);
  machine.write(input + "power1_input", "28906000");
  const auto sensors = Sensors::open(machine.options());
  EXPECT_NEAR(sensors->read().power_w.value(), 28.906, 1e-9);
  EXPECT_EQ(where(*sensors, "power"), "INA238 " + machine.path(i2c + "ina238/2-0044/hwmon/hwmon5") +
                                          " VIN (board with its carrier)");
}

TEST(Sensors, UnknownRails) {
  const Machine machine;
  machine.write_hwmon("1-0040", 1, "VDD_A", "20000", "150");
  machine.write_hwmon("1-0040", 2, "VIN_SYS_5V0", "5000", "150");
  const auto sensors = Sensors::open(machine.options());
  EXPECT_FALSE(sensors->read().power_w.has_value());
  EXPECT_THAT(sensors->missing()[0],
              HasSubstr("the rails VDD_A, VIN_SYS_5V0, which are not known"));
}

TEST(Sensors, TemperaturesThatAreNone) {
  const Machine machine;
  machine.write_zone(0, "CPU-therm", "-256000");
  machine.write_zone(1, "GPU-therm", "-40000");
  machine.write_zone(2, "PMIC-Die", "100000");
  machine.write_zone(3, "SOC0-therm", "not a number");
  EXPECT_THAT(Sensors::open(machine.options())->missing()[1],
              HasSubstr("none of the chip's zones in"));
  machine.write_zone(4, "soc012-thermal", "45000");
  const auto sensors = Sensors::open(machine.options());
  EXPECT_DOUBLE_EQ(sensors->read().temperature_c.value(), 45);
  machine.write_unreadable(thermal + "thermal_zone4/temp");
  EXPECT_FALSE(sensors->read().temperature_c.has_value());
}

TEST(Sensors, ZoneKinds) {
  for (const char* name : {"CPU-therm", "cpu-thermal", "GPU", "MCPU-therm", "BCPU",
                           "soc012-thermal", "SOC0", "cv2-thermal", "AUX-therm", "x86_pkg_temp"}) {
    EXPECT_EQ(zone_kind(name), ZoneKind::chip) << name;
  }
  for (const char* name : {"tj", "tj-thermal", "TJ-therm"}) {
    EXPECT_EQ(zone_kind(name), ZoneKind::junction) << name;
  }
  for (const char* name :
       {"", "-", "PMIC-Die", "PMIC", "Tboard_tegra", "tboard-thermal", "Tdiode", "thermal",
        "thermal-fan-est", "AO-therm", "PLL", "iwlwifi_1", "acpitz"}) {
    EXPECT_EQ(zone_kind(name), ZoneKind::other) << name;
  }
}

TEST(Sensors, CpuLoadOverTime) {
  const Machine machine;
  machine.write("proc/stat", "cpu  10 20 30 400 40 5 5 10 7 0");
  const auto sensors = Sensors::open(machine.options());
  EXPECT_FALSE(sensors->read().cpu_load.has_value());
  EXPECT_FALSE(sensors->read().cpu_load.has_value()) << "no time has passed";
  // 100 ticks more, 50 of them idle and 10 waiting for a disk; a guest's ticks are part of the
  // user's.
  machine.write("proc/stat", "cpu  40 20 30 450 50 10 5 15 27 0");
  EXPECT_DOUBLE_EQ(sensors->read().cpu_load.value(), 0.4);
  machine.write("proc/stat", "cpu  44 20 30 450 50 10 5 15 27 0");
  EXPECT_DOUBLE_EQ(sensors->read().cpu_load.value(), 0.4) << "too few ticks to tell";
  machine.write("proc/stat", "cpu  140 20 30 450 50 10 5 15 27 0");
  EXPECT_DOUBLE_EQ(sensors->read().cpu_load.value(), 1);
  machine.write("proc/stat", "cpu  100 20 30 400 50 10 5 15 27 0");
  EXPECT_DOUBLE_EQ(sensors->read().cpu_load.value(), 1) << "the counters went back";
  machine.write("proc/stat", "cpu  100 20 30 500 50 10 5 15 27 0");
  EXPECT_DOUBLE_EQ(sensors->read().cpu_load.value(), 0);
  machine.write("proc/stat", "cpu  100 20");
  EXPECT_FALSE(sensors->read().cpu_load.has_value());
}

TEST(Sensors, GpuBehindItsFrequency) {
  const Machine machine;
  machine.write("sys/class/devfreq/17000000.gv11b/device/load", "1001");
  machine.write("sys/class/devfreq/15340000.vic/device/load", "5");
  EXPECT_DOUBLE_EQ(Sensors::open(machine.options())->read().gpu_load.value(), 1);
}

TEST(Sensors, ThisMachine) {
  SensorOptions options;
  options.interval = milliseconds(100);
  const auto sensors = Sensors::open(options);
  EXPECT_EQ(where(*sensors, "CPU load"), "/proc/stat");
  EXPECT_EQ(where(*sensors, "memory"), "/proc/meminfo");
  const SensorReading reading = sensors->read();
  EXPECT_GT(reading.memory_used_bytes.value(), 0);
  EXPECT_GT(reading.memory_total_bytes.value(), reading.memory_used_bytes.value());
  EXPECT_TRUE(soon([&] { return sensors->read().cpu_load.has_value(); }));
}

TEST(Sensors, OptionsThatAreWrong) {
  const Machine machine;
  SensorOptions options = machine.options();
  options.interval = milliseconds(0);
  EXPECT_THROW((void)Sensors::open(options), base::UserError);
  options = machine.options();
  options.root = machine.path("nowhere");
  EXPECT_THROW((void)Sensors::open(options), base::UserError);
}

}  // namespace
}  // namespace convoy::sensors
