#pragma once

// Hardware profiles (platforms/devices/*.toml). A Machine is a device in one power mode: the
// hardware of a node.

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "engine/model/costs.hpp"
#include "platforms/figure.hpp"

namespace convoy::platforms {

// The keys of [efficiency] are engine::op_class_words; those of formats of operands have
// engine::number_words in them: peak_fp32_flops, [efficiency_fp16], ...
constexpr std::size_t index_of(engine::OpClass op) { return static_cast<std::size_t>(op); }
constexpr std::size_t index_of(engine::Number number) { return static_cast<std::size_t>(number); }

// A value by format of a kernel's operands.
template <class T>
using ByNumber = std::array<T, engine::number_formats>;
// A value by operator class.
template <class T>
using ByClass = std::array<T, engine::op_classes>;

// The clocks of a power mode. Peaks and bandwidth follow from the clocks and the chip.
struct Clocks {
  Figure gpu_hz;
  Figure gpu_cores;  // active cores: a mode may switch off part of the GPU
  Figure memory_hz;
  Figure cpu_hz;
  Figure cpu_cores;
};

// Work per clock cycle.
struct Chip {
  ByNumber<std::optional<Figure>> flops_per_core_cycle;  // nothing: format not supported
  Figure memory_bytes_per_cycle;                         // per memory clock cycle, both edges
};

struct PowerMode {
  std::string name;
  std::optional<Clocks> clocks;  // if the device's file has a [chip]
  // FLOP/s of the GPU's ordinary cores (server: of the CPU); TF32 and FP16, if supported, of the
  // tensor cores, without sparsity.
  ByNumber<std::optional<Figure>> peak;
  Figure memory_bandwidth;  // bytes/s
  // Achieved bytes/s for kernels whose operands fit in the cache; see Device::cache.
  std::optional<Figure> cache_bandwidth;
  Figure idle_w;
  Figure busy_w;                          // full load
  std::optional<Figure> communicating_w;  // sending or receiving only; default: idle_w
};

struct Device {
  std::string name;
  std::string description;
  std::string default_mode;
  Figure capacity;  // bytes of memory, shared by CPU and GPU on a Jetson
  Figure reserved;  // bytes kept by the system
  Figure context;   // bytes taken by the runtime before the first tensor
  // A kernel that moves at most so many bytes finds its operands in a cache, left there by the
  // kernel before. Nothing: no cache is modelled.
  std::optional<Figure> cache;
  std::optional<Chip> chip;
  // Time to launch a kernel, on the CPU; and time that a dense kernel (convolution, product,
  // attention) takes besides its work, on the device (nothing: none). With a chip in CPU and GPU
  // cycles, so that they follow a mode's clocks; else in s.
  Figure launch_overhead;
  std::optional<Figure> dense_overhead;
  // Kernels are launched while earlier ones run (a GPU). False: the launching thread also computes
  // the kernel (a CPU).
  bool launches_ahead = true;
  static constexpr base::Words<bool> launches = {{true, "ahead"}, {false, "inline"}};
  // Achieved share of the peak of that format. What a file leaves out follows another: see
  // efficiency_of().
  ByNumber<ByClass<std::optional<Figure>>> efficiency;
  // Achieved share of the memory bandwidth for operands of this format; TF32 uses FP32's.
  ByNumber<std::optional<Figure>> memory_efficiency;
  // Draw of a depthwise kernel beyond idle_w, relative to other kernels; default: the same.
  std::optional<Figure> depthwise_power;
  // Absolute relative errors of predicted step times in leave-one-out tests: the median and the 90
  // % quantile. Nothing: not tested.
  struct Uncertainty {
    Figure median;
    Figure p90;
    std::vector<std::string> precisions;  // names of the precisions tested
    bool training = false;                // the test included training steps
  };
  std::optional<Uncertainty> uncertainty;
  std::vector<PowerMode> modes;

  // Defaults for efficiencies that the file does not give: depthwise as convolution, pooling as
  // elementwise, half precision and TF32 as FP32.
  [[nodiscard]] const Figure& efficiency_of(engine::Number number, engine::OpClass op) const;
  // Null for an unknown mode.
  [[nodiscard]] const PowerMode* mode(const std::string& wanted) const;
  [[nodiscard]] std::vector<std::string> mode_names() const;
  // The figures that nobody has measured or published: "convolution (assumed), ...".
  [[nodiscard]] std::vector<std::string> assumed(
      const PowerMode& mode, engine::Precision precision = engine::Precision::fp32) const;
};

// True if the device supports the precision in that mode. (fp32 does not need TF32.)
bool computes(const PowerMode& mode, engine::Precision precision);

struct Machine {
  std::string device;
  std::string mode;
  ByNumber<double> peak{};  // FLOP/s; 0: not supported, FP32 is used
  double memory_bandwidth = 0;
  ByNumber<ByClass<double>> efficiency{};
  ByNumber<double> memory_efficiency{};
  double launch_overhead = 0;  // s
  double dense_overhead = 0;   // s
  double cpu_hz = 0;           // 0: not known
  double gpu_hz = 0;
  double gpu_cores = 0;
  bool launches_ahead = true;
  double cache = 0;            // bytes; 0: none
  double cache_bandwidth = 0;  // achieved bytes/s
  double idle_w = 0;
  double busy_w = 0;
  std::optional<double> communicating_w;
  double depthwise_power = 1;  // share, see Device
  double memory = 0;           // usable by tasks, bytes: capacity less reserved
  double context = 0;          // part of it taken by the runtime, bytes
  int memory_class_gb = 0;     // nominal GiB

  // The format in which the machine computes a kernel.
  [[nodiscard]] engine::Number number_of(const engine::Kernel& kernel) const {
    const bool multiplies = engine::is_dense(kernel.op) && kernel.op != engine::OpClass::depthwise;
    const bool has = multiplies && peak[index_of(kernel.number)] > 0;
    return has ? kernel.number : engine::Number::fp32;
  }
  [[nodiscard]] double flops_per_s(const engine::Kernel& kernel) const {
    const std::size_t number = index_of(number_of(kernel));
    return peak.at(number) * efficiency.at(number).at(index_of(kernel.op));
  }
  [[nodiscard]] double bytes_per_s(const engine::Kernel& kernel) const {
    return memory_bandwidth * memory_efficiency.at(index_of(kernel.number));
  }
};

// Reads a device's file. With a [chip] it gives clocks and overheads in cycles, else rates and
// overheads in s. Optional: `launches`, the overhead of dense kernels, TF32 and FP16, efficiencies
// with defaults, [power], [uncertainty], and the two figures of the cache.
Device read_device(const base::Value& file, base::Diagnostics& problems);

Machine machine(const Device& device, const PowerMode& mode);

}  // namespace convoy::platforms
