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

std::string line(const std::string& key, const Figure& figure) {
  constexpr double readable = 1e15;  // integers below are written out
  const bool whole = key.find("_bytes") != std::string::npos && key.find("_per_") == key.npos &&
                     figure.value < readable;
  const std::string value =
      whole ? fmt::format("{:.0f}", figure.value) : fmt::format("{:.4g}", figure.value);
  std::string text =
      fmt::format("{} = {{ value = {}, origin = \"{}\"", key, value, name_of(figure.origin));
  if (!figure.note.empty()) text += ", note = " + quoted(figure.note);
  return text + " }\n";
}

}  // namespace

std::string to_toml(const Device& device, const std::vector<std::string>& comments) {
  constexpr std::size_t longest = 200;
  std::string text;
  for (const std::string& c : comments) text += "# " + base::printable(c, longest) + "\n";
  text += "name = " + quoted(device.name) + "\n";
  if (!device.description.empty()) text += "description = " + quoted(device.description) + "\n";
  text += "default_mode = " + quoted(device.default_mode) + "\n";

  text += "\n[memory]\n" + line("capacity_bytes", device.capacity);
  text += line("reserved_bytes", device.reserved);
  if (device.cache) text += line("cache_bytes", *device.cache);

  text += "\n[runtime]\n" + line("context_bytes", device.context);
  text += line("launch_overhead_s", device.launch_overhead);
  if (device.dense_overhead) text += line("dense_overhead_s", *device.dense_overhead);
  text += fmt::format("launches = \"{}\"\n", device.launches_ahead ? "ahead" : "inline");

  text += "\n[efficiency]\n";
  constexpr auto pooling = static_cast<std::size_t>(engine::OpClass::pooling);
  for (std::size_t i = 0; i < class_keys.size(); ++i) {
    if (i == pooling && !device.pooling_given) continue;
    text += line(class_keys.at(i), device.efficiency.at(i));
  }
  text += line("memory", device.memory_efficiency);

  for (const PowerMode& mode : device.modes) {
    text += "\n[[modes]]\nname = " + quoted(mode.name) + "\n";
    text += line("peak_fp32_flops", mode.peak_fp32);
    text += line("peak_fp16_flops", mode.peak_fp16);
    text += line("memory_bandwidth_bytes_per_s", mode.memory_bandwidth);
    if (mode.cache_bandwidth) text += line("cache_bandwidth_bytes_per_s", *mode.cache_bandwidth);
    text += line("idle_w", mode.idle_w) + line("busy_w", mode.busy_w);
    if (mode.communicating_w) text += line("communicating_w", *mode.communicating_w);
  }
  return text;
}

}  // namespace convoy::platforms
