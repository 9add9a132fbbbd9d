#pragma once

// Power from the monitors on the board (INA3221, on AGX Thor an INA238 too), read by way of sysfs.
//
//   JetPack 4:      ROOT/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_0      POM_5V_IN
//                                                                 .../in_power0_input     mW
//   JetPack 5, 6, 7: ROOT/sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/in1_label       VDD_IN
//                                                                 .../in1_input           mV
//                                                                 .../curr1_input         mA
//                   ROOT/sys/bus/i2c/drivers/ina238/*/hwmon/hwmon*/power1_input           uW
//
// Sources: Documentation/hwmon/ina3221.rst and ina238.rst of Linux; Jetson Linux Developer Guide,
// Software-Based Power Consumption Modeling.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sensors/meters.hpp"

namespace convoy::sensors {

// One rail. Its power is `power` times its unit, or, where there is no such file, voltage x
// current.
struct PowerRail {
  std::string name;
  std::filesystem::path power;
  double power_unit_w = 0;        // what 1 in the file `power` stands for
  std::filesystem::path voltage;  // mV
  std::filesystem::path current;  // mA

  [[nodiscard]] std::optional<double> read_w() const;
};

// All rails with a name; "NC" (not connected) is none, nor are the sums over the channels that the
// driver makes (in7_label, "sum of shunt voltages").
[[nodiscard]] std::vector<PowerRail> find_power_rails(const std::filesystem::path& root);

// All that goes into the module, from the rails that make it up (see jetson_names.hpp).
class PowerSensor {
 public:
  explicit PowerSensor(const std::filesystem::path& root);

  // Nothing where there is no total, or a rail of it cannot be read at the moment.
  [[nodiscard]] std::optional<double> read_w() const;

  [[nodiscard]] const Found& found() const { return found_; }

 private:
  std::vector<PowerRail> rails_;  // those of the total
  Found found_;
};

}  // namespace convoy::sensors
