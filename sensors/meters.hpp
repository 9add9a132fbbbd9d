#pragma once

// What the kernel tells of temperature, load and memory, each read from the folders "sys" and
// "proc" in a root.

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace convoy::sensors {

// Where a quantity is read, or why it is not: one of the two is "".
struct Found {
  std::string where;
  std::string problem;
};

// The temperature of the chip by the thermal zones of the kernel (see chip_temperature()).
class Thermometer {
 public:
  explicit Thermometer(const std::filesystem::path& root);
  [[nodiscard]] std::optional<double> read_c() const;
  [[nodiscard]] const Found& found() const { return found_; }

 private:
  struct Zone {
    std::string name;
    std::filesystem::path folder;
  };
  std::vector<Zone> zones_;
  Found found_;
};

// The load of the processors by the kernel's counters of the time that they spent.
class CpuMeter {
 public:
  explicit CpuMeter(const std::filesystem::path& root);
  // 0..1, since the reading before; nothing the first time. Where that is so short ago that the
  // counters hardly moved, the load of that reading. From any thread.
  [[nodiscard]] std::optional<double> read();
  [[nodiscard]] const Found& found() const { return found_; }

 private:
  struct Ticks {
    double all = 0;
    double idle = 0;
  };
  [[nodiscard]] std::optional<Ticks> count() const;

  std::filesystem::path file_;
  Found found_;
  std::mutex mutex_;
  std::optional<Ticks> before_;
  std::optional<double> load_;
};

// The load of a Tegra's GPU by its driver.
class GpuMeter {
 public:
  explicit GpuMeter(const std::filesystem::path& root);
  [[nodiscard]] std::optional<double> read() const;  // 0..1
  [[nodiscard]] const Found& found() const { return found_; }

 private:
  std::filesystem::path file_;
  Found found_;
};

struct Memory {
  double used_bytes = 0;  // what could not be given to a program that asks for it
  double total_bytes = 0;
};

class MemoryMeter {
 public:
  explicit MemoryMeter(const std::filesystem::path& root);
  [[nodiscard]] std::optional<Memory> read() const;
  [[nodiscard]] const Found& found() const { return found_; }

 private:
  std::filesystem::path file_;
  Found found_;
};

}  // namespace convoy::sensors
