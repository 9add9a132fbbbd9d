#include "sensors/meters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "sensors/jetson_names.hpp"
#include "sensors/kernel_files.hpp"

namespace convoy::sensors {
namespace {

namespace fs = std::filesystem;

// A file that was readable at the start is read again at each request.
Found found_file(const fs::path& file, bool readable) {
  if (readable) return {file.string(), ""};
  return {"", file.string() + " cannot be read"};
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

// A line "MemTotal:       24684092 kB" of /proc/meminfo, in bytes.
std::optional<double> memory_line(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + name.size());
  skip_blanks(text);
  const std::optional<double> kibibytes = take_number(text);
  if (!kibibytes) return std::nullopt;
  return *kibibytes * 1024;
}

}  // namespace

Thermometer::Thermometer(const fs::path& root) {
  const fs::path thermal = root / "sys/class/thermal";
  bool junction = false;
  for (const fs::path& folder : folders_in(thermal, "thermal_zone")) {
    const std::string name = read_kernel_word(folder / "type");
    if (zone_kind(name) != ZoneKind::other) zones_.push_back({name, folder});
    junction = junction || zone_kind(name) == ZoneKind::junction;
  }
  if (zones_.empty()) {
    found_.problem = fmt::format("no zone of a CPU, GPU or SoC in {}", thermal.string());
    return;
  }
  if (!read_c()) {
    found_.problem = fmt::format("none of the chip's zones in {} can be read", thermal.string());
    return;
  }
  std::vector<std::string> places;
  for (const Zone& zone : zones_) {
    if (junction && zone_kind(zone.name) != ZoneKind::junction) continue;
    places.push_back(fmt::format("{} ({})", zone.folder.string(), zone.name));
  }
  found_.where = fmt::format("{}{}", junction ? "" : "the hottest of ", fmt::join(places, ", "));
}

std::optional<double> Thermometer::read_c() const {
  std::vector<NamedValue> readings;
  for (const Zone& zone : zones_) {
    // A switched-off part gives EAGAIN.
    const std::optional<double> millidegrees = read_kernel_number(zone.folder / "temp");
    if (millidegrees) readings.push_back({zone.name, *millidegrees / 1000});
  }
  return chip_temperature(readings);
}

CpuMeter::CpuMeter(const fs::path& root)
    : file_(root / "proc/stat"), found_(found_file(file_, count().has_value())) {}

std::optional<double> CpuMeter::read() {
  const std::lock_guard lock(mutex_);
  const std::optional<Ticks> now = count();
  if (!now) return std::nullopt;
  if (!before_) {
    before_ = now;
    return std::nullopt;
  }
  constexpr double fewest_ticks = 10;  // of 10 ms each, of all cores together
  const double all = now->all - before_->all;
  if (all >= 0 && all < fewest_ticks) return load_;
  // Counters may go back when cores are switched off; the next reading then gives a load again.
  if (all > 0) load_ = std::clamp(1 - (now->idle - before_->idle) / all, 0.0, 1.0);
  before_ = now;
  return load_;
}

// "cpu  user nice system idle iowait irq softirq steal guest guest_nice", since the start. The time
// of users includes the time of guests (proc(5)).
std::optional<CpuMeter::Ticks> CpuMeter::count() const {
  const std::optional<std::string> text = read_kernel_file(file_);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  if (!take(rest, "cpu ")) return std::nullopt;
  constexpr int counters = 8;
  constexpr int idle = 3;
  constexpr int iowait = 4;
  Ticks ticks;
  for (int i = 0; i < counters; ++i) {
    skip_blanks(rest);
    const std::optional<double> value = take_number(rest);
    if (!value) return std::nullopt;
    ticks.all += *value;
    if (i == idle || i == iowait) ticks.idle += *value;
  }
  return ticks;
}

GpuMeter::GpuMeter(const fs::path& root) {
  std::vector<fs::path> files;
  // First the links made by NVIDIA's kernels (github.com/rbonghi/jetson_stats/issues/360), then
  // devices by their addresses: 17000000 on TX2, Xavier and Orin, 57000000 on TX1 and Nano.
  for (const char* name : {"gpu.0", "platform/gpu.0", "platform/17000000.gpu",
                           "platform/bus@0/17000000.gpu", "57000000.gpu"}) {
    files.push_back(root / "sys/devices" / name / "load");
  }
  // Other devices by their frequency control, which has the device's name: 17000000.gv11b.
  for (const fs::path& folder : folders_in(root / "sys/class/devfreq")) {
    const std::string name = folder.filename().string();
    for (const char* part : {".gpu", ".gv11b", ".gp10b", ".ga10b"}) {
      if (name.find(part) != std::string::npos) files.push_back(folder / "device/load");
    }
  }
  const auto at = std::find_if(files.begin(), files.end(), [](const fs::path& file) {
    return read_kernel_number(file).has_value();
  });
  if (at != files.end()) {
    file_ = *at;
    found_.where = file_.string();
  } else {
    found_.problem = fmt::format("no load of a Tegra GPU in {}", (root / "sys/devices").string());
  }
}

std::optional<double> GpuMeter::read() const {
  if (file_.empty()) return std::nullopt;
  const std::optional<double> per_mille = read_kernel_number(file_);
  if (!per_mille) return std::nullopt;
  return std::clamp(*per_mille / 1000, 0.0, 1.0);
}

MemoryMeter::MemoryMeter(const fs::path& root)
    : file_(root / "proc/meminfo"), found_(found_file(file_, read().has_value())) {}

std::optional<Memory> MemoryMeter::read() const {
  const std::optional<std::string> text = read_kernel_file(file_);
  if (!text) return std::nullopt;
  const std::optional<double> total = memory_line(*text, "MemTotal:");
  const std::optional<double> available = memory_line(*text, "MemAvailable:");
  if (!total || !available) return std::nullopt;
  return Memory{std::max(*total - *available, 0.0), *total};
}

}  // namespace convoy::sensors
