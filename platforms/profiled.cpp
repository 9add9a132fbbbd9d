#include "platforms/profiled.hpp"

#include <fmt/format.h>

#include "platforms/device_file.hpp"

namespace convoy::platforms {
namespace {

Figure measured(double value, std::string note) {
  return {value, Origin::measured, std::move(note)};
}
Figure fitted(double value, std::string note = "to the training steps above") {
  return {value, Origin::fitted, std::move(note)};
}
Figure assumed(double value, std::string note) { return {value, Origin::assumed, std::move(note)}; }

Device device_of(const ProfileLabel& label, const engine::Profile& profile, const Machine& m) {
  constexpr double gib = 1024.0 * 1024.0 * 1024.0;
  Device device;
  device.name = label.name;
  device.description =
      fmt::format("{}, {}, {}", profile.processor,
                  label.device == "cpu" ? "one thread" : label.device, profile.software);
  device.default_mode = "default";
  device.capacity = profile.capacity > 0
                        ? measured(profile.capacity, profile.capacity_note)
                        : assumed(gib, "could not be read here: write what the machine has");
  device.reserved = profile.available > 0
                        ? measured(profile.capacity - profile.available,
                                   "not available to a program while this was measured")
                        : assumed(0, "not measured: what the system keeps for itself");
  device.context = measured(profile.context, "the runtime loaded, each operator used once");
  device.launch_overhead = fitted(m.launch_overhead);
  device.dense_overhead = fitted(m.dense_overhead);
  device.launches_ahead = m.launches_ahead;
  device.cache = fitted(m.cache);
  constexpr std::size_t single = index_of(engine::Number::fp32);
  for (const auto& op : engine::op_class_words) {
    const double share = m.efficiency.at(single).at(index_of(op.value));
    const bool alone = op.value == engine::OpClass::depthwise;
    device.efficiency.at(single).at(index_of(op.value)) =
        alone ? measured(share, "the fastest on its own; no training step above has one")
              : fitted(share);
  }
  device.memory_efficiency.at(single) = fitted(m.memory_efficiency.at(single));
  PowerMode mode;
  mode.name = device.default_mode;
  mode.peak.at(single) = measured(m.peak.at(single), "the fastest operator");
  if (profile.peak_fp16 > 0) {
    mode.peak.at(index_of(engine::Number::fp16)) =
        measured(profile.peak_fp16, "a large matrix product");
  }
  mode.memory_bandwidth = measured(m.memory_bandwidth, "a sum of large tensors, in place");
  mode.cache_bandwidth = fitted(m.cache_bandwidth);
  constexpr const char* no_power = "not measured: without it energies are not those of the device";
  mode.idle_w = assumed(0, no_power);
  mode.busy_w = assumed(0, no_power);
  device.modes.push_back(std::move(mode));
  return device;
}

std::vector<std::string> comments(const ProfileLabel& label, const Calibration& found) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("Measured by {}, --device {}{}", label.program, label.device,
                              label.quick ? " --quick" : ""));
  if (label.quick) lines.emplace_back("--quick: too inexact for use, made to try things out.");
  lines.emplace_back("Training steps measured, and as these figures predict them:");
  for (const Residual& r : found.steps) {
    lines.push_back(fmt::format("  {:<44} {:>9.3f} ms {:>9.3f} ms {:>+6.1f} %", r.name,
                                1e3 * r.measured, 1e3 * r.predicted, 100 * r.error()));
  }
  lines.push_back(fmt::format("Absolute error: median {:.1f} %, worst {:.1f} %",
                              100 * found.median_error, 100 * found.worst_error));
  return lines;
}

}  // namespace

Calibration calibrate(const engine::Profile& profile, const ProfileLabel& label) {
  return calibrate(profile.operators, profile.steps, label.device != "cpu");
}

std::string profiled_toml(const engine::Profile& profile, const Calibration& found,
                          const ProfileLabel& label) {
  return to_toml(device_of(label, profile, found.machine), comments(label, found));
}

}  // namespace convoy::platforms
