#pragma once

// Hardware profiles (platforms/devices/*.toml). A Machine is a device in one of its power modes:
// what a node of a fleet runs on.

#include <array>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "engine/model/costs.hpp"
#include "platforms/figure.hpp"

namespace convoy::platforms {

struct PowerMode {
  std::string name;
  Figure peak_fp32;         // FLOP/s of the GPU's ordinary cores (server: of the CPU)
  Figure peak_fp16;         // FLOP/s, ordinary cores
  Figure memory_bandwidth;  // bytes/s
  Figure idle_w;
  Figure busy_w;
};

struct Device {
  std::string name;
  std::string description;
  std::string default_mode;
  Figure capacity;         // bytes of memory, shared by CPU and GPU on a Jetson
  Figure reserved;         // bytes that the system keeps
  Figure context;          // bytes that the runtime takes before the first tensor
  Figure launch_overhead;  // s a kernel, on the CPU's side
  std::array<Figure, engine::op_classes> efficiency;  // achieved share of the peak, by OpClass
  Figure memory_efficiency;                           // achieved share of the bandwidth
  std::vector<PowerMode> modes;

  // Null where there is no such mode.
  [[nodiscard]] const PowerMode* mode(const std::string& wanted) const;
  [[nodiscard]] std::vector<std::string> mode_names() const;
  // "convolution (assumed), ...": the figures that nobody measured or published.
  [[nodiscard]] std::vector<std::string> assumed(const PowerMode& mode) const;
};

struct Machine {
  std::string device;
  std::string mode;
  double peak_fp32 = 0;
  double memory_bandwidth = 0;
  std::array<double, engine::op_classes> efficiency{};
  double memory_efficiency = 0;
  double launch_overhead = 0;
  double memory = 0;        // bytes that a task may use: capacity less reserved
  double context = 0;       // bytes of it that the runtime takes
  int memory_class_gb = 0;  // nominal GiB
};

Device read_device(const base::Value& file, base::Diagnostics& problems);

Machine machine(const Device& device, const PowerMode& mode);

}  // namespace convoy::platforms
