#pragma once

// Reads the power monitors of the board (INA3221, on AGX Thor also INA238) by sysfs.
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

// One rail. Its power is the value in file `power` times its unit or, without that file, voltage x
// current.
struct PowerRail {
  std::string name;
  std::filesystem::path power;
  double power_unit_w = 0;        // W per unit of the value in `power`
  std::filesystem::path voltage;  // mV
  std::filesystem::path current;  // mA

  [[nodiscard]] std::optional<double> read_w() const;
};

// All named rails, without "NC" (not connected) and the driver's sums over channels (in7_label,
// "sum of shunt voltages").
[[nodiscard]] std::vector<PowerRail> find_power_rails(const std::filesystem::path& root);

// The module's total input power, from the rails that form the total (see jetson_names.hpp).
class PowerSensor {
 public:
  explicit PowerSensor(const std::filesystem::path& root);

  // Nothing if there is no total, or one of its rails cannot be read at the moment.
  [[nodiscard]] std::optional<double> read_w() const;

  [[nodiscard]] const Found& found() const { return found_; }

 private:
  std::vector<PowerRail> rails_;  // of the total
  Found found_;
};

}  // namespace convoy::sensors
