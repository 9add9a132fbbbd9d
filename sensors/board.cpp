#include "sensors/board.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "sensors/kernel_files.hpp"

namespace convoy::sensors {
namespace {

namespace fs = std::filesystem;

struct Module {
  std::string_view number;
  std::string_view device;  // name in the catalogue; empty: not in the catalogue
};

// The part number is in the device tree's "compatible", after the carrier's number:
// "nvidia,p3768-0000+p3767-0005-super". Sources: Jetson Linux Developer Guide (Quick Start, Jetson
// modules and configurations) and github.com/rbonghi/jetson_stats. p3701-0000, the module of AGX
// Orin's first developer kit, has 32 GB but the cores of the 64 GB module: it matches neither
// device of the catalogue. p2888-0003 and -0004 are AGX Xavier with 32 GB.
constexpr std::array modules = {
    Module{"p3701-0000", ""},
    Module{"p3701-0004", "jetson-agx-orin-32gb"},
    Module{"p3701-0005", "jetson-agx-orin-64gb"},
    Module{"p3701-0008", ""},
    Module{"p3767-0000", "jetson-orin-nx-16gb"},
    Module{"p3767-0001", "jetson-orin-nx-8gb"},
    Module{"p3767-0003", "jetson-orin-nano-8gb"},
    Module{"p3767-0004", "jetson-orin-nano-4gb"},
    Module{"p3767-0005", "jetson-orin-nano-8gb"},
    Module{"p2888-0001", ""},
    Module{"p2888-0003", "jetson-agx-xavier-32gb"},
    Module{"p2888-0004", "jetson-agx-xavier-32gb"},
    Module{"p3668-0000", "jetson-xavier-nx-8gb"},
    Module{"p3668-0001", "jetson-xavier-nx-8gb"},
    Module{"p3668-0003", "jetson-xavier-nx-16gb"},
    Module{"p3310-1000", "jetson-tx2"},
    Module{"p3636-0001", "jetson-tx2-nx"},
    Module{"p3448-0000", "jetson-nano"},
    Module{"p3448-0002", "jetson-nano"},
    Module{"p3448-0003", ""},  // 2 GB
};

// The first releases of JetPack 4 give only the name of the Nano's developer kit.
constexpr std::array by_name = {
    Module{"jetson-nano", "jetson-nano"},
    Module{"p3450-porg", "jetson-nano"},
};

// The lines of a system file; none if it cannot be read.
std::istringstream lines_of(const fs::path& file) {
  try {
    return std::istringstream(base::read_file(file, base::longest_text));
  } catch (const base::UserError&) {
    return {};
  }
}

// Each string of the device tree ends with a zero byte.
std::string with_spaces(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\0' || c == '\n'; }, ' ');
  return std::string(base::trimmed(text));
}

void find_module(const fs::path& root, Board& board) {
  const std::string text = base::in_small_letters(
      read_kernel_file(root / "proc/device-tree/compatible").value_or("") +
      read_kernel_file(root / "proc/device-tree/nvidia,dtsfilename").value_or(""));
  for (const Module& m : modules) {
    if (text.find(m.number) == std::string::npos) continue;
    board.module = m.number;
    board.device = m.device;
    return;
  }
  for (const Module& m : by_name) {
    if (text.find(m.number) != std::string::npos) board.device = m.device;
  }
}

// "# R36 (release), REVISION: 4.3, GCID: ..."
std::string release_of(std::string_view text) {
  if (!take(text, "# R")) return "";
  const auto major = take_number(text);
  const std::size_t at = text.find("REVISION: ");
  if (!major || at == text.npos) return "";
  text.remove_prefix(at + std::string_view("REVISION: ").size());
  const std::string_view minor = text.substr(0, text.find_first_not_of("0123456789."));
  return minor.empty() ? "" : fmt::format("{}.{}", *major, minor);
}

// The version of an installed package, from dpkg's list, which has a paragraph per package.
std::string package_version(const fs::path& list, const std::string& package) {
  std::istringstream in = lines_of(list);
  bool here = false;
  bool installed = false;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) here = installed = false;
    if (line == "Package: " + package) here = true;
    if (here && line == "Status: install ok installed") installed = true;
    std::string_view rest = line;
    if (installed && take(rest, "Version: ")) return std::string(rest);
  }
  return "";
}

// /var/lib/nvpmodel/status has the mode's number, "pmode:0002"; /etc/nvpmodel.conf has its name,
// "< POWER_MODEL ID=2 NAME=MODE_15W >".
std::string power_mode(const fs::path& root) {
  const std::string status = read_kernel_word(root / "var/lib/nvpmodel/status");
  std::string_view rest = status;
  const std::size_t at = rest.find("pmode:");
  if (at == rest.npos) return "";
  rest.remove_prefix(at + std::string_view("pmode:").size());
  const auto number = take_number(rest);
  if (!number) return "";
  std::istringstream in = lines_of(root / "etc/nvpmodel.conf");
  const auto word_after = [](std::string_view line, std::string_view key) {
    const std::size_t from = line.find(key);
    if (from == line.npos) return std::string_view();
    line.remove_prefix(from + key.size());
    return line.substr(0, line.find_first_of(" \t>"));
  };
  for (std::string line; std::getline(in, line);) {
    const std::string_view text = base::trimmed(line);
    if (!text.starts_with('<') || text.find("POWER_MODEL") == text.npos) continue;
    std::string_view id = word_after(text, "ID=");
    if (take_number(id) == number) return std::string(word_after(text, "NAME="));
  }
  return fmt::format("mode {}", *number);
}

std::string system_name(const fs::path& root) {
  std::istringstream in = lines_of(root / "etc/os-release");
  for (std::string line; std::getline(in, line);) {
    std::string_view rest = line;
    if (!take(rest, "PRETTY_NAME=")) continue;
    if (rest.size() >= 2 && rest.front() == '"') rest = rest.substr(1, rest.size() - 2);
    return std::string(rest);
  }
  return "";
}

// "0-3,6" -> 5
std::optional<double> cores_in(std::string_view list) {
  double count = 0;
  while (!list.empty()) {
    const auto first = take_number(list);
    if (!first) return std::nullopt;
    const auto last = take(list, "-") ? take_number(list) : first;
    if (!last || *last < *first) return std::nullopt;
    count += *last - *first + 1;
    if (!list.empty() && !take(list, ",")) return std::nullopt;
  }
  return count;
}

void add(Board& board, const char* name, const fs::path& file, double factor) {
  const auto value = read_kernel_number(file);
  if (value && *value > 0) board.figures.push_back({name, factor * *value, file.string()});
}

bool has(const Board& board, std::string_view name) {
  return std::any_of(board.figures.begin(), board.figures.end(),
                     [&](const BoardFigure& f) { return f.name == name; });
}

void find_figures(const fs::path& root, Board& board) {
  const fs::path cpus = root / "sys/devices/system/cpu";
  const std::string online = read_kernel_word(cpus / "online");
  if (const auto cores = cores_in(online); cores && *cores > 0) {
    board.figures.push_back({"cpu_cores", *cores, (cpus / "online").string()});
  }
  constexpr double kilo = 1e3;
  add(board, "cpu_hz", cpus / "cpu0/cpufreq/scaling_max_freq", kilo);
  // Names: 57000000.gpu (Nano), 17000000.gp10b (TX2), .gv11b (Xavier), .ga10b and .gpu (Orin).
  for (const fs::path& folder : folders_in(root / "sys/class/devfreq")) {
    const std::string name = folder.filename().string();
    const bool gpu = name.ends_with(".gpu") || name.ends_with(".gp10b") ||
                     name.ends_with(".gv11b") || name.ends_with(".ga10b");
    if (gpu && !has(board, "gpu_hz")) add(board, "gpu_hz", folder / "max_freq", 1);
  }
  // The limit set by nvpmodel; only root can read the present clock.
  for (const char* file :
       {"sys/kernel/nvpmodel_clk_cap/emc", "sys/kernel/nvpmodel_emc_cap/emc_iso_cap",
        "sys/kernel/debug/bpmp/debug/clk/emc/rate"}) {
    if (!has(board, "memory_hz")) add(board, "memory_hz", root / file, 1);
  }
}

}  // namespace

Board read_board(const fs::path& root) {
  Board board;
  board.model = with_spaces(read_kernel_file(root / "proc/device-tree/model").value_or(""));
  if (board.model.empty()) {
    board.model = read_kernel_word(root / "sys/devices/virtual/dmi/id/product_name");
  }
  find_module(root, board);
  board.l4t = release_of(read_kernel_word(root / "etc/nv_tegra_release"));
  board.jetpack = package_version(root / "var/lib/dpkg/status", "nvidia-jetpack");
  board.power_mode = power_mode(root);
  utsname system{};
  if (::uname(&system) == 0) board.machine = std::string(system.machine);
  board.kernel = read_kernel_word(root / "proc/sys/kernel/osrelease");
  board.system = system_name(root);
  find_figures(root, board);
  for (std::string* text : {&board.model, &board.l4t, &board.jetpack, &board.power_mode,
                            &board.kernel, &board.machine, &board.system}) {
    *text = base::printable(*text);
  }
  return board;
}

std::string catalogue_mode(const std::string& power_mode, const std::vector<std::string>& known) {
  std::string_view name = power_mode;
  take(name, "MODE_");
  for (const std::string_view ending : {std::string_view(""), std::string_view("_ALL")}) {
    if (!name.ends_with(ending)) continue;
    const std::string_view wanted = name.substr(0, name.size() - ending.size());
    const auto found = std::find(known.begin(), known.end(), wanted);
    if (found != known.end()) return *found;
  }
  return "";
}

}  // namespace convoy::sensors
