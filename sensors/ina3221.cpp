#include "sensors/ina3221.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sensors/jetson_names.hpp"
#include "sensors/kernel_files.hpp"

namespace convoy::sensors {
namespace {

namespace fs = std::filesystem;

constexpr int channels = 3;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// JetPack 4. Its folder is "iio:device0"; in the first releases "iio_device".
void add_iio(const fs::path& device, std::vector<PowerRail>& rails) {
  for (const fs::path& folder : folders_in(device, "iio")) {
    for (int i = 0; i < channels; ++i) {
      PowerRail rail;
      rail.name = read_kernel_word(folder / fmt::format("rail_name_{}", i));
      if (rail.name.empty() || rail.name == "NC") continue;
      const fs::path power = folder / fmt::format("in_power{}_input", i);
      if (is_there(power)) {
        rail.power = power;
        rail.power_unit_w = 1e-3;
      }
      rail.voltage = folder / fmt::format("in_voltage{}_input", i);
      rail.current = folder / fmt::format("in_current{}_input", i);
      rails.push_back(std::move(rail));
    }
  }
}

// in4 to in6 are the shunt voltages and in7 is their sum: these are no rails.
void add_hwmon(const fs::path& device, std::vector<PowerRail>& rails) {
  for (const fs::path& folder : folders_in(device / "hwmon", "hwmon")) {
    for (int i = 1; i <= channels; ++i) {
      PowerRail rail;
      rail.name = read_kernel_word(folder / fmt::format("in{}_label", i));
      rail.voltage = folder / fmt::format("in{}_input", i);
      rail.current = folder / fmt::format("curr{}_input", i);
      if (rail.name.empty() || rail.name == "NC" || !is_there(rail.current)) continue;
      rails.push_back(std::move(rail));
    }
  }
}

// The INA238 has one channel without a label; tegrastats calls it VIN.
void add_ina238(const fs::path& device, std::vector<PowerRail>& rails) {
  for (const fs::path& folder : folders_in(device / "hwmon", "hwmon")) {
    PowerRail rail;
    rail.name = "VIN";
    const fs::path power = folder / "power1_input";
    if (is_there(power)) {
      rail.power = power;
      rail.power_unit_w = 1e-6;
    }
    rail.voltage = folder / "in1_input";
    rail.current = folder / "curr1_input";
    if (is_there(power) || is_there(rail.current)) rails.push_back(std::move(rail));
  }
}

}  // namespace

std::optional<double> PowerRail::read_w() const {
  if (!power.empty()) {
    const std::optional<double> units = read_kernel_number(power);
    if (!units) return std::nullopt;
    return *units * power_unit_w;
  }
  const std::optional<double> millivolts = read_kernel_number(voltage);
  const std::optional<double> milliamperes = read_kernel_number(current);
  if (!millivolts || !milliamperes) return std::nullopt;
  return *millivolts * *milliamperes * 1e-6;
}

std::vector<PowerRail> find_power_rails(const fs::path& root) {
  std::vector<PowerRail> rails;
  const fs::path drivers = root / "sys/bus/i2c/drivers";
  for (const fs::path& device : folders_in(drivers / "ina3221x")) add_iio(device, rails);
  for (const fs::path& device : folders_in(drivers / "ina3221")) add_hwmon(device, rails);
  for (const fs::path& device : folders_in(drivers / "ina238")) add_ina238(device, rails);
  return rails;
}

PowerSensor::PowerSensor(const fs::path& root) {
  const std::vector<PowerRail> rails = find_power_rails(root);
  if (rails.empty()) {
    found_.problem =
        fmt::format("no INA3221 under {}", (root / "sys/bus/i2c/drivers/ina3221").string());
    return;
  }
  std::vector<std::string> names;
  names.reserve(rails.size());
  for (const PowerRail& rail : rails) names.push_back(rail.name);
  const std::optional<TotalRails> total = total_rails(names);
  if (!total) {
    found_.problem = fmt::format(
        "the INA3221 has the rails {}, which are not known to make up all that goes into the "
        "module",
        fmt::join(names, ", "));
    return;
  }
  std::vector<std::string> places;
  for (const std::size_t index : total->rails) {
    const PowerRail& rail = rails[index];
    const std::string folder = rail.voltage.parent_path().string();
    if (!rail.read_w()) {
      found_.problem = fmt::format("rail {} in {} cannot be read", rail.name, folder);
      rails_.clear();
      return;
    }
    places.push_back(fmt::format("{} {}", folder, rail.name));
    rails_.push_back(rail);
  }
  found_.where = fmt::format("{} {} ({})", rails_[0].name == "VIN" ? "INA238" : "INA3221",
                             fmt::join(places, " + "), total->scope);
}

std::optional<double> PowerSensor::read_w() const {
  if (rails_.empty()) return std::nullopt;
  double sum = 0;
  for (const PowerRail& rail : rails_) {
    const std::optional<double> power = rail.read_w();
    if (!power) return std::nullopt;
    sum += *power;
  }
  return std::max(sum, 0.0);
}

}  // namespace convoy::sensors
