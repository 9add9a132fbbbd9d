#include "platforms/device.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"

namespace convoy::platforms {
namespace {

using base::above;
using base::at_least;
using engine::Number;
using engine::OpClass;

const std::vector<std::string>& launch_names() {
  static const std::vector<std::string> names = {"ahead", "inline"};
  return names;
}

std::optional<Figure> maybe_figure(base::TableReader& parent, std::string_view key,
                                   base::Range range) {
  if (!parent.has(key)) return std::nullopt;
  return read_figure(parent, key, range);
}

Chip read_chip(base::TableReader reader) {
  Chip chip;
  for (std::size_t n = 0; n < number_keys.size(); ++n) {
    const std::string key = fmt::format("{}_flops_per_core_cycle", number_keys.at(n));
    const bool needed = static_cast<Number>(n) == Number::fp32;
    chip.flops_per_core_cycle.at(n) =
        needed ? read_figure(reader, key, above(0)) : maybe_figure(reader, key, above(0));
  }
  chip.memory_bytes_per_cycle = read_figure(reader, "memory_bytes_per_cycle", above(0));
  reader.finish();
  return chip;
}

// A product of figures, with the weakest origin of its factors.
Figure product(const Figure& a, const Figure& b, const Figure& c, std::string note) {
  const bool any_assumed =
      a.origin == Origin::assumed || b.origin == Origin::assumed || c.origin == Origin::assumed;
  return {a.value * b.value * c.value, any_assumed ? Origin::assumed : Origin::computed,
          std::move(note)};
}

void read_clocks(base::TableReader& reader, const Chip& chip, PowerMode& mode) {
  Clocks clocks;
  clocks.gpu_hz = read_figure(reader, "gpu_hz", above(0));
  clocks.gpu_cores = read_figure(reader, "gpu_cores", above(0));
  clocks.memory_hz = read_figure(reader, "memory_hz", above(0));
  clocks.cpu_hz = read_figure(reader, "cpu_hz", above(0));
  clocks.cpu_cores = read_figure(reader, "cpu_cores", above(0));
  for (std::size_t n = 0; n < number_keys.size(); ++n) {
    const auto& rate = chip.flops_per_core_cycle.at(n);
    if (!rate) continue;
    mode.peak.at(n) =
        product(clocks.gpu_cores, *rate, clocks.gpu_hz,
                fmt::format("{:g} cores x {:g} FLOP x {:g} GHz", clocks.gpu_cores.value,
                            rate->value, clocks.gpu_hz.value / 1e9));
  }
  const Figure one{1, Origin::computed, ""};
  mode.memory_bandwidth =
      product(chip.memory_bytes_per_cycle, clocks.memory_hz, one,
              fmt::format("{:g} bytes x {:g} MHz", chip.memory_bytes_per_cycle.value,
                          clocks.memory_hz.value / 1e6));
  mode.clocks = std::move(clocks);
}

void read_rates(base::TableReader& reader, PowerMode& mode) {
  for (std::size_t n = 0; n < number_keys.size(); ++n) {
    const std::string key = fmt::format("peak_{}_flops", number_keys.at(n));
    const bool needed = static_cast<Number>(n) == Number::fp32;
    mode.peak.at(n) =
        needed ? read_figure(reader, key, above(0)) : maybe_figure(reader, key, above(0));
  }
  mode.memory_bandwidth = read_figure(reader, "memory_bandwidth_bytes_per_s", above(0));
}

PowerMode read_mode(base::TableReader& reader, const Device& device) {
  PowerMode mode;
  mode.name = reader.text("name");
  if (device.chip) {
    read_clocks(reader, *device.chip, mode);
  } else {
    read_rates(reader, mode);
  }
  mode.cache_bandwidth = maybe_figure(reader, "cache_bandwidth_bytes_per_s", above(0));
  if (mode.cache_bandwidth.has_value() != device.cache.has_value()) {
    reader.error("cache_bandwidth_bytes_per_s",
                 "goes with memory.cache_bytes: give both, or neither");
  }
  mode.idle_w = read_figure(reader, "idle_w", at_least(0));
  mode.busy_w = read_figure(reader, "busy_w", at_least(0));
  mode.communicating_w = maybe_figure(reader, "communicating_w", at_least(0));
  reader.finish();
  return mode;
}

// True if kernels of that class may compute in that format.
bool computed_in(Number number, OpClass op) {
  if (number == Number::fp32) return true;
  if (number == Number::tf32) return op == OpClass::convolution;
  return engine::is_dense(op) && op != OpClass::depthwise;
}

// [efficiency] is for FP32; [efficiency_tf32] and [efficiency_fp16] are optional and give only the
// differences.
void read_efficiencies(base::TableReader& file, Device& device) {
  for (std::size_t n = 0; n < number_keys.size(); ++n) {
    const bool single = static_cast<Number>(n) == Number::fp32;
    const std::string key = single ? "efficiency" : fmt::format("efficiency_{}", number_keys.at(n));
    if (!single && !file.has(key)) continue;
    base::TableReader reader = file.table(key);
    for (std::size_t i = 0; i < class_keys.size(); ++i) {
      const auto op = static_cast<OpClass>(i);
      const bool follows = !single || op == OpClass::depthwise || op == OpClass::pooling;
      if (!computed_in(static_cast<Number>(n), op)) continue;  // a key that nobody uses
      if (follows && !reader.has(class_keys.at(i))) continue;
      device.efficiency.at(n).at(i) = read_figure(reader, class_keys.at(i), above(0).up_to(1));
    }
    const bool own_memory = static_cast<Number>(n) != Number::tf32;
    if (single || (own_memory && reader.has("memory"))) {
      device.memory_efficiency.at(n) = read_figure(reader, "memory", above(0).up_to(1));
    }
    reader.finish();
  }
}

}  // namespace

const Figure& Device::efficiency_of(engine::Number number, engine::OpClass op) const {
  static const Figure none{1, Origin::assumed, "the file has none"};
  const auto& own = efficiency.at(index_of(number)).at(index_of(op));
  if (own) return *own;
  if (number != Number::fp32) return efficiency_of(Number::fp32, op);
  if (op == OpClass::depthwise) return efficiency_of(number, OpClass::convolution);
  if (op == OpClass::pooling) return efficiency_of(number, OpClass::elementwise);
  return none;  // an error was reported
}

bool computes(const PowerMode& mode, engine::Precision precision) {
  const bool half =
      precision == engine::Precision::fp16 || precision == engine::Precision::fp16_mixed;
  return !half || mode.peak[index_of(Number::fp16)].has_value();
}

const PowerMode* Device::mode(const std::string& wanted) const {
  for (const PowerMode& m : modes) {
    if (m.name == wanted) return &m;
  }
  return nullptr;
}

std::vector<std::string> Device::mode_names() const {
  std::vector<std::string> names;
  for (const PowerMode& m : modes) names.push_back(m.name);
  return names;
}

std::vector<std::string> Device::assumed(const PowerMode& mode, engine::Precision precision) const {
  std::vector<std::string> names;
  const auto note = [&](const Figure& figure, const std::string& what) {
    if (figure.origin == Origin::assumed) names.push_back(what);
  };
  const auto maybe = [&](const std::optional<Figure>& figure, const std::string& what) {
    if (figure) note(*figure, what);
  };
  const bool half =
      precision == engine::Precision::fp16 || precision == engine::Precision::fp16_mixed;
  const bool tf32 = precision == engine::Precision::fp32 && mode.peak[index_of(Number::tf32)];
  maybe(mode.peak[index_of(Number::fp32)], "peak FP32");
  if (tf32) maybe(mode.peak[index_of(Number::tf32)], "peak TF32");
  if (half) maybe(mode.peak[index_of(Number::fp16)], "peak FP16");
  note(mode.memory_bandwidth, "memory bandwidth");
  note(capacity, "memory");
  note(reserved, "reserved memory");
  note(context, "runtime memory");
  note(launch_overhead, "launch overhead");
  maybe(dense_overhead, "overhead of dense kernels");
  for (std::size_t i = 0; i < class_keys.size(); ++i) {
    const auto op = static_cast<OpClass>(i);
    const bool dense = engine::is_dense(op) && op != OpClass::depthwise;
    Number number = Number::fp32;
    if (half && dense) number = Number::fp16;
    if (tf32 && op == OpClass::convolution) number = Number::tf32;
    const auto& own = efficiency.at(index_of(number)).at(i);
    if (own) {
      note(*own, std::string(class_keys.at(i)) + " efficiency");
    } else if (number != Number::fp32) {
      names.push_back(fmt::format("{} efficiency in {} (that of FP32)", class_keys.at(i),
                                  number_keys.at(index_of(number))));
    }
  }
  const auto& in_half = memory_efficiency[index_of(Number::fp16)];
  if (half && in_half) {
    note(*in_half, "memory efficiency");
  } else {
    maybe(memory_efficiency[index_of(Number::fp32)],
          half ? "memory efficiency (that of FP32)" : "memory efficiency");
  }
  if (precision == engine::Precision::fp16_mixed && in_half) {
    maybe(memory_efficiency[index_of(Number::fp32)], "memory efficiency in FP32");
  }
  if (mode.clocks) {
    note(mode.clocks->cpu_hz, "CPU clock");
    note(mode.clocks->gpu_hz, "GPU clock");
    note(mode.clocks->gpu_cores, "GPU cores");
  }
  maybe(depthwise_power, "draw of depthwise kernels");
  note(mode.idle_w, "idle draw");
  note(mode.busy_w, "draw while computing");
  maybe(mode.communicating_w, "draw while sending");
  maybe(cache, "cache");
  maybe(mode.cache_bandwidth, "cache bandwidth");
  return names;
}

Device read_device(const base::Value& file, base::Diagnostics& problems) {
  base::TableReader reader(file, "", problems);
  Device device;
  device.name = reader.text("name");
  device.description = reader.text("description", "");
  device.default_mode = reader.text("default_mode");
  if (reader.has("chip")) device.chip = read_chip(reader.table("chip"));

  base::TableReader memory = reader.table("memory");
  device.capacity = read_figure(memory, "capacity_bytes", above(0));
  device.reserved = read_figure(memory, "reserved_bytes", at_least(0));
  device.cache = maybe_figure(memory, "cache_bytes", above(0));
  memory.finish();
  base::TableReader runtime = reader.table("runtime");
  const char* unit = device.chip ? "cycles" : "s";
  device.context = read_figure(runtime, "context_bytes", at_least(0));
  device.launch_overhead =
      read_figure(runtime, fmt::format("launch_overhead_{}", unit), at_least(0));
  device.dense_overhead =
      maybe_figure(runtime, fmt::format("dense_overhead_{}", unit), at_least(0));
  device.launches_ahead = runtime.choice("launches", launch_names(), 0) == 0;
  runtime.finish();
  read_efficiencies(reader, device);
  if (reader.has("power")) {
    base::TableReader power = reader.table("power");
    device.depthwise_power = maybe_figure(power, "depthwise", above(0).up_to(1));
    power.finish();
  }
  if (reader.has("uncertainty")) {
    base::TableReader errors = reader.table("uncertainty");
    Device::Uncertainty uncertainty;
    uncertainty.median = read_figure(errors, "median", at_least(0));
    uncertainty.p90 = read_figure(errors, "p90", at_least(0));
    uncertainty.precisions = errors.words("precisions", engine::precision_names());
    uncertainty.training = errors.flag("training", false);
    errors.finish();
    device.uncertainty = std::move(uncertainty);
  }
  for (base::TableReader& m : reader.tables("modes")) {
    device.modes.push_back(read_mode(m, device));
  }
  reader.finish();
  if (device.reserved.value >= device.capacity.value) {
    memory.error("reserved_bytes", "leaves no memory of the capacity");
  }
  if (device.mode(device.default_mode) == nullptr) {
    reader.error("default_mode", "is none of the modes: " + base::list_of(device.mode_names()));
  }
  return device;
}

Machine machine(const Device& device, const PowerMode& mode) {
  constexpr double gib = 1024.0 * 1024.0 * 1024.0;
  Machine m;
  m.device = device.name;
  m.mode = mode.name;
  for (std::size_t n = 0; n < m.peak.size(); ++n) {
    if (mode.peak.at(n)) m.peak.at(n) = mode.peak.at(n)->value;
    for (std::size_t i = 0; i < class_keys.size(); ++i) {
      m.efficiency.at(n).at(i) =
          device.efficiency_of(static_cast<Number>(n), static_cast<OpClass>(i)).value;
    }
  }
  m.memory_bandwidth = mode.memory_bandwidth.value;
  const auto& of_memory = device.memory_efficiency;
  m.memory_efficiency.fill(
      of_memory[index_of(Number::fp32)] ? of_memory[index_of(Number::fp32)]->value : 1);
  if (const auto& half = of_memory[index_of(Number::fp16)]) {
    m.memory_efficiency[index_of(Number::fp16)] = half->value;
  }
  if (mode.clocks) {
    m.cpu_hz = mode.clocks->cpu_hz.value;
    m.gpu_hz = mode.clocks->gpu_hz.value;
    m.gpu_cores = mode.clocks->gpu_cores.value;
  }
  m.launch_overhead = device.launch_overhead.value / (mode.clocks ? m.cpu_hz : 1);
  if (device.dense_overhead) {
    m.dense_overhead = device.dense_overhead->value / (mode.clocks ? m.gpu_hz : 1);
  }
  m.launches_ahead = device.launches_ahead;
  if (device.cache && mode.cache_bandwidth) {
    m.cache = device.cache->value;
    m.cache_bandwidth = mode.cache_bandwidth->value;
  }
  m.idle_w = mode.idle_w.value;
  m.busy_w = mode.busy_w.value;
  if (device.depthwise_power) m.depthwise_power = device.depthwise_power->value;
  if (mode.communicating_w) m.communicating_w = mode.communicating_w->value;
  m.memory = device.capacity.value - device.reserved.value;
  m.context = device.context.value;
  m.memory_class_gb = static_cast<int>(std::lround(device.capacity.value / gib));
  return m;
}

}  // namespace convoy::platforms
