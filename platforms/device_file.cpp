#include "platforms/device_file.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"

namespace convoy::platforms {
namespace {

std::string quoted(const std::string& text) {
  constexpr std::size_t longest = 400;
  std::string out = "\"";
  for (const char c : base::printable(text, longest)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Measured and fitted figures are written with four digits; others are not rounded.
std::string number(const Figure& figure) {
  constexpr double readable = 1e15;  // integers below are written out
  if (figure.value == std::round(figure.value) && std::abs(figure.value) < readable) {
    return fmt::format("{:.0f}", figure.value);
  }
  const bool found = figure.origin == Origin::measured || figure.origin == Origin::fitted;
  return found ? fmt::format("{:.4g}", figure.value) : fmt::format("{}", figure.value);
}

std::string line(std::string_view key, const Figure& figure) {
  std::string text = fmt::format("{} = {{ value = {}, origin = \"{}\"", key, number(figure),
                                 name_of(origin_words, figure.origin));
  if (!figure.note.empty()) text += ", note = " + quoted(figure.note);
  return text + " }\n";
}

std::string line(std::string_view key, const std::optional<Figure>& figure) {
  return figure ? line(key, *figure) : "";
}

std::string chip_of(const Chip& chip) {
  std::string text = "\n[chip]\n";
  for (const auto& [number, word] : engine::number_words) {
    text += line(fmt::format("{}_flops_per_core_cycle", word),
                 chip.flops_per_core_cycle.at(index_of(number)));
  }
  return text + line("memory_bytes_per_cycle", chip.memory_bytes_per_cycle);
}

// Each format's efficiencies; those that follow others are left out.
std::string efficiencies_of(const Device& device) {
  std::string text;
  for (const auto& [number, word] : engine::number_words) {
    const bool single = number == engine::Number::fp32;
    const auto& shares = device.efficiency.at(index_of(number));
    std::string lines;
    for (const auto& [op, name] : engine::op_class_words) {
      lines += line(name, shares.at(index_of(op)));
    }
    lines += line("memory", device.memory_efficiency.at(index_of(number)));
    if (lines.empty()) continue;
    text += single ? "\n[efficiency]\n" : fmt::format("\n[efficiency_{}]\n", word);
    text += lines;
  }
  return text;
}

std::string mode_of(const PowerMode& mode) {
  std::string text = "\n[[modes]]\nname = " + quoted(mode.name) + "\n";
  if (mode.clocks) {
    const Clocks& c = *mode.clocks;
    text += line("gpu_hz", c.gpu_hz) + line("gpu_cores", c.gpu_cores);
    text += line("memory_hz", c.memory_hz);
    text += line("cpu_hz", c.cpu_hz) + line("cpu_cores", c.cpu_cores);
  } else {
    for (const auto& [number, word] : engine::number_words) {
      text += line(fmt::format("peak_{}_flops", word), mode.peak.at(index_of(number)));
    }
    text += line("memory_bandwidth_bytes_per_s", mode.memory_bandwidth);
  }
  text += line("cache_bandwidth_bytes_per_s", mode.cache_bandwidth);
  text += line("idle_w", mode.idle_w) + line("busy_w", mode.busy_w);
  return text + line("communicating_w", mode.communicating_w);
}

}  // namespace

std::string to_toml(const Device& device, const std::vector<std::string>& comments) {
  constexpr std::size_t longest = 200;
  std::string text;
  for (const std::string& c : comments) text += "# " + base::printable(c, longest) + "\n";
  text += "name = " + quoted(device.name) + "\n";
  if (!device.description.empty()) text += "description = " + quoted(device.description) + "\n";
  text += "default_mode = " + quoted(device.default_mode) + "\n";

  if (device.chip) text += chip_of(*device.chip);

  text += "\n[memory]\n" + line("capacity_bytes", device.capacity);
  text += line("reserved_bytes", device.reserved) + line("cache_bytes", device.cache);

  const char* unit = device.chip ? "cycles" : "s";
  text += "\n[runtime]\n" + line("context_bytes", device.context);
  text += line(fmt::format("launch_overhead_{}", unit), device.launch_overhead);
  text += line(fmt::format("dense_overhead_{}", unit), device.dense_overhead);
  text += fmt::format("launches = \"{}\"\n", name_of(Device::launches, device.launches_ahead));

  text += efficiencies_of(device);
  if (device.depthwise_power) text += "\n[power]\n" + line("depthwise", device.depthwise_power);
  if (device.uncertainty) {
    text += "\n[uncertainty]\n" + line("median", device.uncertainty->median);
    text += line("p90", device.uncertainty->p90);
    std::string precisions;
    for (const std::string& p : device.uncertainty->precisions) {
      precisions += (precisions.empty() ? "" : ", ") + quoted(p);
    }
    text +=
        fmt::format("precisions = [{}]\ntraining = {}\n", precisions, device.uncertainty->training);
  }
  for (const PowerMode& mode : device.modes) text += mode_of(mode);
  return text;
}

}  // namespace convoy::platforms
