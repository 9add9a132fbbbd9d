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

// The keys of [efficiency] are engine::op_class_words; those of formats of operands have
// engine::number_words in them: peak_fp32_flops, [efficiency_fp16], ...
constexpr std::size_t index_of(engine::OpClass op) { return static_cast<std::size_t>(op); }
constexpr std::size_t index_of(engine::Number number) { return static_cast<std::size_t>(number); }

// By the format of a kernel's operands.
template <class T>
using ByNumber = std::array<T, engine::number_formats>;
// By the class of operator.
template <class T>
using ByClass = std::array<T, engine::op_classes>;

// What a power mode sets. Peaks and bandwidth follow from it and the chip.
struct Clocks {
  Figure gpu_hz;
  Figure gpu_cores;  // that are awake: a mode may put part of the GPU to sleep
  Figure memory_hz;
  Figure cpu_hz;
  Figure cpu_cores;
};

// What the clocks are multiplied with.
struct Chip {
  ByNumber<std::optional<Figure>> flops_per_core_cycle;  // nothing: it has no such arithmetic
  Figure memory_bytes_per_cycle;                         // both edges of the clock counted
};

struct PowerMode {
  std::string name;
  std::optional<Clocks> clocks;  // where the device's file gives its chip
  // FLOP/s of the GPU's ordinary cores (server: of the CPU); with tensor cores, not sparse. TF32
  // and FP16: only where it has such arithmetic.
  ByNumber<std::optional<Figure>> peak;
  Figure memory_bandwidth;  // bytes/s
  // Achieved bytes/s of a kernel whose operands fit in the device's cache; see Device::cache.
  std::optional<Figure> cache_bandwidth;
  Figure idle_w;
  Figure busy_w;                          // computing without a pause
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
  std::optional<Chip> chip;
  // A kernel's launch, on the CPU's side; and what a dense kernel (convolution, product, attention)
  // takes besides its work, on the device's side (nothing: none). Cycles of the CPU and of the GPU
  // where there is a chip, so that they follow a mode's clocks; s elsewhere.
  Figure launch_overhead;
  std::optional<Figure> dense_overhead;
  // Kernels are launched while earlier ones run (a GPU). Otherwise who launches a kernel computes
  // it, too (a CPU).
  bool launches_ahead = true;
  static constexpr base::Words<bool> launches = {{true, "ahead"}, {false, "inline"}};
  // Achieved share of the peak of that format. What a file leaves out follows another: see
  // efficiency_of().
  ByNumber<ByClass<std::optional<Figure>>> efficiency;
  // Achieved share of the bandwidth where operands are of that format; of TF32: that of FP32.
  ByNumber<std::optional<Figure>> memory_efficiency;
  // What a depthwise kernel draws beyond idle_w, as a share of what others do (nothing: all of it).
  std::optional<Figure> depthwise_power;
  // Absolute errors of predicted step times, as shares of what was measured, where that was not
  // fitted to: the median, and what nine of ten stay below. Nothing: nobody looked.
  struct Uncertainty {
    Figure median;
    Figure p90;
    std::vector<std::string> precisions;  // of the rows, by name
    bool training = false;                // there were training steps among them
  };
  std::optional<Uncertainty> uncertainty;
  std::vector<PowerMode> modes;

  // Of depthwise kernels that of convolutions, of pooling that of elementwise kernels, and in half
  // precision or TF32 that of FP32, where the file does not say.
  [[nodiscard]] const Figure& efficiency_of(engine::Number number, engine::OpClass op) const;
  // Null where there is no such mode.
  [[nodiscard]] const PowerMode* mode(const std::string& wanted) const;
  [[nodiscard]] std::vector<std::string> mode_names() const;
  // "convolution (assumed), ...": the figures that nobody measured or published.
  [[nodiscard]] std::vector<std::string> assumed(
      const PowerMode& mode, engine::Precision precision = engine::Precision::fp32) const;
};

// Has the device, in that mode, arithmetic of that precision? (TF32 need not be there for fp32.)
bool computes(const PowerMode& mode, engine::Precision precision);

struct Machine {
  std::string device;
  std::string mode;
  ByNumber<double> peak{};  // FLOP/s; 0: it has no such arithmetic, FP32 is used
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
  double cache_bandwidth = 0;  // achieved
  double idle_w = 0;
  double busy_w = 0;
  std::optional<double> communicating_w;
  double depthwise_power = 1;  // share, see Device
  double memory = 0;           // bytes that a task may use: capacity less reserved
  double context = 0;          // bytes of it that the runtime takes
  int memory_class_gb = 0;     // nominal GiB

  // The format in which it computes a kernel.
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

// Reads what a device's file holds. A file with a [chip] gives each mode's clocks and overheads in
// cycles, another one rates and overheads in seconds. `launches`, the overhead of dense kernels,
// TF32 and FP16, efficiencies that follow others, [power], [uncertainty] and the two figures of the
// cache may be left out.
Device read_device(const base::Value& file, base::Diagnostics& problems);

Machine machine(const Device& device, const PowerMode& mode);

}  // namespace convoy::platforms
