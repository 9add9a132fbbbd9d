#include "sensors/tegrastats_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "sensors/sensors.hpp"
#include "tests/sensors/machine.hpp"

namespace convoy::sensors {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

class ProcessTest : public testing::Test {
 protected:
  std::unique_ptr<TegrastatsProcess> start(const std::string& lines) {
    std::string problem;
    auto process =
        TegrastatsProcess::start(machine_.write_program(lines), milliseconds(20), problem);
    EXPECT_TRUE(process) << problem;
    return process;
  }

  Machine machine_;
};

TEST_F(ProcessTest, EndsAndIsWaitedFor) {
  auto process = start("while :; do echo CPU@45C; sleep 0.02; done");
  EXPECT_TRUE(soon([&] { return process->last().has_value(); }));
  const pid_t pid = process->pid();
  EXPECT_TRUE(is_alive(pid));
  process.reset();
  EXPECT_FALSE(is_alive(pid));
}

// The reader does not wait for the end of the pipe: a process started by the program may hold it
// open.
TEST_F(ProcessTest, IsKilledWhereItDoesNotEnd) {
  auto process = start("trap '' TERM\nwhile :; do echo CPU@45C; sleep 0.02; done");
  EXPECT_TRUE(soon([&] { return process->last().has_value(); }));
  const pid_t pid = process->pid();
  const auto begin = std::chrono::steady_clock::now();
  process.reset();
  EXPECT_FALSE(is_alive(pid));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(ProcessTest, ItsEndIsNoticedAndItsNumberKept) {
  auto process = start("echo CPU@45C; kill -9 $$");
  EXPECT_TRUE(soon([&] {
    return process->problem().find("ended by signal 9") != std::string::npos;
  })) << process->problem();
  const pid_t pid = process->pid();
  EXPECT_TRUE(is_alive(pid));
  process.reset();
  EXPECT_FALSE(is_alive(pid));
}

TEST_F(ProcessTest, TheLastWholeLineCounts) {
  auto process = start(
      "printf 'CPU@41C\\nCPU@42'; sleep 0.05; printf 'C\\nnonsense\\n\\n'\n"
      "i=0; while [ $i -lt 3000 ]; do printf 'GPU@50C GPU@50C GPU@50C GPU@50C '; i=$((i+1)); done\n"
      "printf '\\nCPU@43C\\nCPU@9'; exec sleep 100");
  EXPECT_TRUE(soon([&] {
    const auto line = process->last();
    return line && line->temperatures_c.size() == 1 && line->temperatures_c[0].value == 43;
  }));
}

TEST_F(ProcessTest, AnOldLineIsNone) {
  auto process = start("echo CPU@45C; exec sleep 100");
  EXPECT_TRUE(soon([&] { return process->last().has_value(); }));
  EXPECT_TRUE(soon([&] { return !process->last().has_value(); }));
  EXPECT_EQ(process->problem(), "");
}

TEST(SensorsWithTegrastats, GivesWhatIsMissing) {
  const Machine machine;
  machine.write_zone(0, "cpu-thermal", "40000");
  machine.write_memory();
  SensorOptions options = machine.options();
  options.tegrastats = true;
  options.interval = milliseconds(1234);
  options.tegrastats_program = machine.write_program(
      "echo \"junk $1=$2\" > $0.arguments\n"
      "while :; do echo 'RAM 5/9MB CPU [50%@1,off] GR3D_FREQ 20% tj@99C VDD_IN 5000mW/1mW'\n"
      "sleep 0.02; done");
  const auto sensors = Sensors::open(options);
  EXPECT_THAT(sensors->missing(), IsEmpty());
  ASSERT_TRUE(soon([&] { return sensors->read().power_w.has_value(); }));
  const SensorReading reading = sensors->read();
  EXPECT_DOUBLE_EQ(reading.power_w.value(), 5);
  EXPECT_DOUBLE_EQ(reading.gpu_load.value(), 0.2);
  EXPECT_DOUBLE_EQ(reading.cpu_load.value(), 0.5);
  EXPECT_DOUBLE_EQ(reading.temperature_c.value(), 40);                  // not from tegrastats
  EXPECT_DOUBLE_EQ(reading.memory_total_bytes.value(), 8000 * 1024.0);  // nor this
  EXPECT_EQ(where(*sensors, "power"), options.tegrastats_program + " VDD_IN (module)");
  EXPECT_EQ(where(*sensors, "GPU load"), options.tegrastats_program);
  EXPECT_EQ(test::read_file(options.tegrastats_program + ".arguments"), "junk --interval=1234\n");
}

TEST(SensorsWithTegrastats, IsNotRunWhereNothingIsMissing) {
  const Machine machine;
  machine.write_hwmon("1-0040", 1, "VDD_IN", "5000", "1000");
  machine.write_zone(0, "cpu-thermal", "40000");
  machine.write_load(1, 1);
  machine.write_memory();
  machine.write("sys/devices/gpu.0/load", "0");
  SensorOptions options = machine.options();
  options.tegrastats = true;
  options.tegrastats_program = machine.write_program("touch $0.ran");
  EXPECT_THAT(Sensors::open(options)->missing(), IsEmpty());
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(std::filesystem::exists(options.tegrastats_program + ".ran"));
}

TEST(SensorsWithTegrastats, SaysWhatIsWrongWithIt) {
  const Machine machine;
  SensorOptions options = machine.options();
  options.tegrastats = true;
  options.tegrastats_program = "convoy-has-no-tegrastats";
  EXPECT_THAT(Sensors::open(options)->missing()[0],
              EndsWith(" and no convoy-has-no-tegrastats on the PATH"));
  options.tegrastats_program = machine.path("none");
  EXPECT_THAT(Sensors::open(options)->missing()[0],
              EndsWith(" and no program " + machine.path("none")));
  options.tegrastats_program = machine.path("");
  EXPECT_THAT(Sensors::open(options)->missing()[0], HasSubstr("cannot be started (Permission"));

  options.tegrastats_program = machine.write_program("exit 3");
  auto sensors = Sensors::open(options);
  EXPECT_TRUE(soon([&] {
    const auto missing = sensors->missing();
    return missing.size() == 5 && missing[0].find("ended with status 3") != std::string::npos;
  })) << sensors->missing()[0];

  options.tegrastats_program =
      machine.write_program("while :; do echo 'CPU@45C POM_5V_GPU 1/1'; sleep 0.02; done");
  sensors = Sensors::open(options);
  EXPECT_TRUE(soon([&] { return sensors->read().temperature_c.has_value(); }));
  EXPECT_THAT(sensors->missing()[0],
              EndsWith(", and " + options.tegrastats_program + " does not print it"));
  EXPECT_EQ(sensors->missing().size(), 4);
}

TEST(SensorsWithTegrastats, ManyThreads) {
  const Machine machine;
  machine.write_load(100, 900);
  SensorOptions options = machine.options();
  options.tegrastats = true;
  options.tegrastats_program =
      machine.write_program("while :; do echo 'GR3D_FREQ 20% VDD_IN 5000mW/1mW'; sleep 0.01; done");
  const auto sensors = Sensors::open(options);
  ASSERT_TRUE(soon([&] { return sensors->read().power_w.has_value(); }));
  std::atomic<int> readings = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 200; ++j) {
          readings += sensors->read().cpu_load.has_value() ? 0 : 1;
          readings += static_cast<int>(sensors->missing().size() + sensors->sources().size()) - 5;
        }
      });
    }
  }
  EXPECT_EQ(readings, 800);
}

}  // namespace
}  // namespace convoy::sensors
