#pragma once

// A machine made of files, and other helpers for the tests of the sensors.

#include <signal.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "sensors/sensors.hpp"
#include "tests/support/files.hpp"

namespace convoy::sensors {

inline const std::string i2c = "sys/bus/i2c/drivers/";
inline const std::string thermal = "sys/class/thermal/";

// A tree of files like the kernel's, in a folder of its own.
class Machine {
 public:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    folder_.write(name, text + "\n");
  }
  // A file that can be opened but not read, like those of a switched-off part.
  void write_unreadable(const std::string& name) const {
    std::filesystem::remove(folder_.path() / name);
    std::filesystem::create_directories(folder_.path() / name);
  }
  void remove(const std::string& name) const { std::filesystem::remove_all(folder_.path() / name); }

  void write_zone(int number, const std::string& type, const std::string& temp) const {
    const std::string zone = thermal + "thermal_zone" + std::to_string(number);
    write(zone + "/type", type);
    write(zone + "/temp", temp);
  }
  void write_hwmon(const std::string& device, int channel, const std::string& label,
                   const std::string& millivolts, const std::string& milliamperes) const {
    const std::string folder = i2c + "ina3221/" + device + "/hwmon/hwmon3/";
    const std::string number = std::to_string(channel);
    write(folder + "in" + number + "_label", label);
    write(folder + "in" + number + "_input", millivolts);
    write(folder + "curr" + number + "_input", milliamperes);
  }
  void write_iio(const std::string& device, int channel, const std::string& label,
                 const std::string& milliwatts) const {
    const std::string folder = i2c + "ina3221x/" + device + "/iio:device0/";
    const std::string number = std::to_string(channel);
    write(folder + "rail_name_" + number, label);
    write(folder + "in_power" + number + "_input", milliwatts);
  }
  void write_load(int busy, int idle) const {
    write("proc/stat", "cpu  " + std::to_string(busy) + " 0 0 " + std::to_string(idle) +
                           " 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\nintr 12 0 0");
  }
  void write_memory() const {
    write("proc/meminfo",
          "MemTotal:        8000 kB\nMemFree:         1000 kB\nMemAvailable:    6000 kB");
  }

  // A program with these lines of a shell script.
  [[nodiscard]] std::string write_program(const std::string& lines) const {
    std::string path = folder_.write("tegrastats.sh", "#!/bin/sh\n" + lines);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] SensorOptions options() const {
    SensorOptions options;
    options.root = folder_.path();
    options.tegrastats = false;
    options.interval = std::chrono::milliseconds(20);
    return options;
  }

 private:
  test::TemporaryFolder folder_;
};

inline std::string where(const Sensors& sensors, const std::string& quantity) {
  for (const SensorSource& source : sensors.sources()) {
    if (source.quantity == quantity) return source.where;
  }
  return "";
}

// Waits for a condition, at most 20 s.
inline bool soon(const std::function<bool()>& is_true) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

inline bool is_alive(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

}  // namespace convoy::sensors
