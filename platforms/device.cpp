#include "platforms/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace convoy::platforms {
namespace {

using base::above;
using base::at_least;
using engine::Number;
using engine::OpClass;

std::optional<Figure> maybe_figure(base::TableReader& parent, std::string_view key,
                                   base::Range range) {
  if (!parent.has(key)) return std::nullopt;
  return read_figure(parent, key, range);
}

Chip read_chip(base::TableReader reader) {
  Chip chip;
  for (const auto& [number, word] : engine::number_words) {
    const std::string key = fmt::format("{}_flops_per_core_cycle", word);
    chip.flops_per_core_cycle.at(index_of(number)) = number == Number::fp32
                                                         ? read_figure(reader, key, above(0))
                                                         : maybe_figure(reader, key, above(0));
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
  for (std::size_t n = 0; n < chip.flops_per_core_cycle.size(); ++n) {
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
  for (const auto& [number, word] : engine::number_words) {
    const std::string key = fmt::format("peak_{}_flops", word);
    mode.peak.at(index_of(number)) = number == Number::fp32 ? read_figure(reader, key, above(0))
                                                            : maybe_figure(reader, key, above(0));
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
  for (const auto& [number, word] : engine::number_words) {
    const bool single = number == Number::fp32;
    const std::string key = single ? "efficiency" : fmt::format("efficiency_{}", word);
    if (!single && !file.has(key)) continue;
    base::TableReader reader = file.table(key);
    for (const auto& [op, name] : engine::op_class_words) {
      const bool follows = !single || op == OpClass::depthwise || op == OpClass::pooling;
      if (!computed_in(number, op)) continue;  // a key that nobody uses
      if (follows && !reader.has(name)) continue;
      device.efficiency.at(index_of(number)).at(index_of(op)) =
          read_figure(reader, name, above(0).up_to(1));
    }
    const bool own_memory = number != Number::tf32;
    if (single || (own_memory && reader.has("memory"))) {
      device.memory_efficiency.at(index_of(number)) =
          read_figure(reader, "memory", above(0).up_to(1));
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
  const auto found = std::ranges::find(modes, wanted, &PowerMode::name);
  return found == modes.end() ? nullptr : &*found;
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
  for (const auto& [op, word] : engine::op_class_words) {
    const bool dense = engine::is_dense(op) && op != OpClass::depthwise;
    Number number = Number::fp32;
    if (half && dense) number = Number::fp16;
    if (tf32 && op == OpClass::convolution) number = Number::tf32;
    const auto& own = efficiency.at(index_of(number)).at(index_of(op));
    if (own) {
      note(*own, fmt::format("{} efficiency", word));
    } else if (number != Number::fp32) {
      names.push_back(fmt::format("{} efficiency in {} (that of FP32)", word,
                                  name_of(engine::number_words, number)));
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
  device.launches_ahead = runtime.choice("launches", Device::launches, true);
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
    uncertainty.precisions = errors.words("precisions", texts_of(engine::precision_words));
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
  for (const auto& number : engine::number_words) {
    const std::size_t n = index_of(number.value);
    if (mode.peak.at(n)) m.peak.at(n) = mode.peak.at(n)->value;
    for (const auto& op : engine::op_class_words) {
      m.efficiency.at(n).at(index_of(op.value)) =
          device.efficiency_of(number.value, op.value).value;
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
