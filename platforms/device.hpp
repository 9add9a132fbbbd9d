#pragma once

// Hardware profiles (platforms/devices/*.toml). A Machine is a device in one of its power modes:
// what a node of a fleet runs on.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "engine/model/costs.hpp"
#include "platforms/figure.hpp"

namespace convoy::platforms {

// The keys of [efficiency], by OpClass.
constexpr std::array<const char*, engine::op_classes> class_keys = {
    "convolution", "matrix_product", "attention", "elementwise", "pooling"};

struct PowerMode {
  std::string name;
  Figure peak_fp32;         // FLOP/s of the GPU's ordinary cores (server: of the CPU)
  Figure peak_fp16;         // FLOP/s, with tensor cores where there are any; not sparse
  Figure memory_bandwidth;  // bytes/s
  // Achieved bytes/s of a kernel whose operands fit in the device's cache; see Device::cache.
  std::optional<Figure> cache_bandwidth;
  Figure idle_w;
  Figure busy_w;
  std::optional<Figure> communicating_w;  // sending or receiving only; nothing: idle_w
};

struct Device {
  std::string name;
  std::string description;
  std::string default_mode;
  Figure capacity;  // bytes of memory, shared by CPU and GPU on a Jetson
  Figure reserved;  // bytes that the system keeps
  Figure context;   // bytes that the runtime takes before the first tensor
  // Bytes that a kernel may move to find them in a cache, where they were left by the kernel
  // before. Nothing: no difference is made.
  std::optional<Figure> cache;
  Figure launch_overhead;  // s a kernel, on the CPU's side
  // s that a dense kernel (convolution, product, attention) takes besides its work, on the device's
  // side. Nothing: none.
  std::optional<Figure> dense_overhead;
  // Kernels are launched while earlier ones run (a GPU). Otherwise who launches a kernel computes
  // it, too (a CPU).
  bool launches_ahead = true;
  std::array<Figure, engine::op_classes> efficiency;  // achieved share of the peak, by OpClass
  bool pooling_given = false;  // otherwise its efficiency is that of elementwise kernels
  Figure memory_efficiency;    // achieved share of the bandwidth
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
  double peak_fp16 = 0;
  double memory_bandwidth = 0;
  std::array<double, engine::op_classes> efficiency{};
  double memory_efficiency = 0;
  double launch_overhead = 0;
  double dense_overhead = 0;
  bool launches_ahead = true;
  double cache = 0;            // bytes; 0: none
  double cache_bandwidth = 0;  // achieved
  double idle_w = 0;
  double busy_w = 0;
  std::optional<double> communicating_w;
  double memory = 0;        // bytes that a task may use: capacity less reserved
  double context = 0;       // bytes of it that the runtime takes
  int memory_class_gb = 0;  // nominal GiB
};

// Reads what a device's file holds. `launches`, `dense_overhead_s`, `pooling` and the two figures
// of the cache may be left out.
Device read_device(const base::Value& file, base::Diagnostics& problems);

Machine machine(const Device& device, const PowerMode& mode);

}  // namespace convoy::platforms
