#pragma once

// Temperature, load and memory by the kernel, read below a root that contains "sys" and "proc".

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace convoy::sensors {

// Source of a quantity, or the reason why there is none: one of the two is "".
struct Found {
  std::string where;
  std::string problem;
};

// The chip's temperature by the kernel's thermal zones (see chip_temperature()).
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

// Processor load by the kernel's counters of time.
class CpuMeter {
 public:
  explicit CpuMeter(const std::filesystem::path& root);
  // Load since the last call, 0..1; nothing at the first call. If the counters have hardly moved
  // since, the previous load. Callable from any thread.
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

// Load of a Tegra GPU by its driver.
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
  double used_bytes = 0;  // not available to new programs
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
