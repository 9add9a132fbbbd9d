#include "platforms/device.hpp"

#include <cmath>

#include "base/text.hpp"

namespace convoy::platforms {
namespace {

constexpr auto elementwise = static_cast<std::size_t>(engine::OpClass::elementwise);
constexpr auto pooling = static_cast<std::size_t>(engine::OpClass::pooling);

const std::vector<std::string>& launch_names() {
  static const std::vector<std::string> names = {"ahead", "inline"};
  return names;
}

std::optional<Figure> maybe_figure(base::TableReader& parent, std::string_view key,
                                   base::Range range) {
  if (!parent.has(key)) return std::nullopt;
  return read_figure(parent, key, range);
}

}  // namespace

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

std::vector<std::string> Device::assumed(const PowerMode& mode) const {
  std::vector<std::string> names;
  const auto note = [&](const Figure& figure, const std::string& what) {
    if (figure.origin == Origin::assumed) names.push_back(what);
  };
  note(mode.peak_fp32, "peak FP32");
  note(mode.memory_bandwidth, "memory bandwidth");
  note(capacity, "memory");
  note(reserved, "reserved memory");
  note(context, "runtime memory");
  note(launch_overhead, "launch overhead");
  if (dense_overhead) note(*dense_overhead, "overhead of dense kernels");
  for (std::size_t i = 0; i < efficiency.size(); ++i) {
    const bool of_its_own = i != pooling || pooling_given;
    if (of_its_own) note(efficiency.at(i), std::string(class_keys.at(i)) + " efficiency");
  }
  note(memory_efficiency, "memory efficiency");
  if (cache) note(*cache, "cache");
  if (mode.cache_bandwidth) note(*mode.cache_bandwidth, "cache bandwidth");
  return names;
}

Device read_device(const base::Value& file, base::Diagnostics& problems) {
  using base::above;
  using base::at_least;
  base::TableReader reader(file, "", problems);
  Device device;
  device.name = reader.text("name");
  device.description = reader.text("description", "");
  device.default_mode = reader.text("default_mode");

  base::TableReader memory = reader.table("memory");
  device.capacity = read_figure(memory, "capacity_bytes", above(0));
  device.reserved = read_figure(memory, "reserved_bytes", at_least(0));
  device.cache = maybe_figure(memory, "cache_bytes", above(0));
  memory.finish();
  base::TableReader runtime = reader.table("runtime");
  device.context = read_figure(runtime, "context_bytes", at_least(0));
  device.launch_overhead = read_figure(runtime, "launch_overhead_s", at_least(0));
  device.dense_overhead = maybe_figure(runtime, "dense_overhead_s", at_least(0));
  device.launches_ahead = runtime.choice("launches", launch_names(), 0) == 0;
  runtime.finish();
  base::TableReader efficiency = reader.table("efficiency");
  device.pooling_given = efficiency.has(class_keys.at(pooling));
  for (std::size_t i = 0; i < class_keys.size(); ++i) {
    if (i == pooling && !device.pooling_given) {
      device.efficiency.at(i) = device.efficiency.at(elementwise);
      continue;
    }
    device.efficiency.at(i) = read_figure(efficiency, class_keys.at(i), above(0).up_to(1));
  }
  device.memory_efficiency = read_figure(efficiency, "memory", above(0).up_to(1));
  efficiency.finish();
  for (base::TableReader& m : reader.tables("modes")) {
    PowerMode mode;
    mode.name = m.text("name");
    mode.peak_fp32 = read_figure(m, "peak_fp32_flops", above(0));
    mode.peak_fp16 = read_figure(m, "peak_fp16_flops", above(0));
    mode.memory_bandwidth = read_figure(m, "memory_bandwidth_bytes_per_s", above(0));
    mode.cache_bandwidth = maybe_figure(m, "cache_bandwidth_bytes_per_s", above(0));
    if (mode.cache_bandwidth.has_value() != device.cache.has_value()) {
      m.error("cache_bandwidth_bytes_per_s", "goes with memory.cache_bytes: give both, or neither");
    }
    mode.idle_w = read_figure(m, "idle_w", at_least(0));
    mode.busy_w = read_figure(m, "busy_w", at_least(0));
    mode.communicating_w = maybe_figure(m, "communicating_w", at_least(0));
    m.finish();
    device.modes.push_back(std::move(mode));
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
  m.peak_fp32 = mode.peak_fp32.value;
  m.peak_fp16 = mode.peak_fp16.value;
  m.memory_bandwidth = mode.memory_bandwidth.value;
  for (std::size_t i = 0; i < m.efficiency.size(); ++i) {
    m.efficiency.at(i) = device.efficiency.at(i).value;
  }
  m.memory_efficiency = device.memory_efficiency.value;
  m.launch_overhead = device.launch_overhead.value;
  m.dense_overhead = device.dense_overhead ? device.dense_overhead->value : 0;
  m.launches_ahead = device.launches_ahead;
  if (device.cache && mode.cache_bandwidth) {
    m.cache = device.cache->value;
    m.cache_bandwidth = mode.cache_bandwidth->value;
  }
  m.idle_w = mode.idle_w.value;
  m.busy_w = mode.busy_w.value;
  if (mode.communicating_w) m.communicating_w = mode.communicating_w->value;
  m.memory = device.capacity.value - device.reserved.value;
  m.context = device.context.value;
  m.memory_class_gb = static_cast<int>(std::lround(device.capacity.value / gib));
  return m;
}

}  // namespace convoy::platforms
