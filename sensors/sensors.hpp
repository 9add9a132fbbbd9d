#pragma once

// Sensor readings of the agent's machine: power, temperature, load, memory. Made for NVIDIA's
// Jetsons; other Linux machines give a part of them.
//
//   const auto sensors = Sensors::open({});
//   for (const std::string& text : sensors->missing()) fmt::print(stderr, "{}\n", text);
//   ...
//   const SensorReading reading = sensors->read();   // some times a second
//   if (reading.power_w) ...
//
// Each quantity has one source, chosen when the sensors are opened:
//
//   power        the rails of the INA3221 that make up the module's total (ina3221.hpp)
//   temperature  /sys/class/thermal/thermal_zone*: the junction's, or the hottest of the chip's
//   CPU load     /proc/stat, over the time since the reading before
//   GPU load     .../gpu.0/load and the like, per mille, over a short time that the driver chooses
//   memory       /proc/meminfo: MemTotal - MemAvailable; on a Jetson CPU and GPU share it
//
// Quantities without such a source come from the program tegrastats, if it is on the PATH.

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/non_copyable.hpp"

namespace convoy::sensors {

// Quantities without a sensor, or without a reading at the moment, are absent.
struct SensorReading {
  std::optional<double> power_w;        // into the module; see sources() for what it covers
  std::optional<double> temperature_c;  // of the chip
  std::optional<double> cpu_load;       // 0..1, mean of the active cores
  std::optional<double> gpu_load;       // 0..1
  std::optional<double> memory_used_bytes;
  std::optional<double> memory_total_bytes;
};

struct SensorOptions {
  std::filesystem::path root = "/";  // contains "sys" and "proc"
  bool tegrastats = true;            // run it for missing quantities
  std::string tegrastats_program = "tegrastats";
  std::chrono::milliseconds interval{1000};  // between the lines of tegrastats
};

struct SensorSource {
  std::string quantity;  // "power", "temperature", "CPU load", "GPU load", "memory"
  std::string where;     // "INA3221 /sys/.../hwmon3 VDD_IN (module)", "/proc/stat", "tegrastats"
};

class Sensors : base::NonCopyable {
 private:
  class Impl;

 public:
  // Throws base::UserError if the root is no folder or the interval is not positive. Missing
  // sensors are not an error.
  [[nodiscard]] static std::unique_ptr<Sensors> open(const SensorOptions& options);
  ~Sensors();

  // Callable from any thread. Reads some kernel files, which takes milliseconds (the INA3221 is
  // read over I2C). The first reading has no CPU load.
  [[nodiscard]] SensorReading read();

  // Callable from any thread. The quantities from tegrastats are known after its first line; until
  // then all are assumed.
  [[nodiscard]] std::vector<SensorSource> sources() const;
  // "power: no INA3221 under /sys/bus/i2c/drivers/ina3221 and no tegrastats on the PATH"
  [[nodiscard]] std::vector<std::string> missing() const;

  explicit Sensors(std::unique_ptr<Impl> impl);  // for open()

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::sensors
