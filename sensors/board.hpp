#pragma once

// What kind of machine this is and how it is set: the module, the system's release, the power mode,
// the clocks. Made for NVIDIA's Jetsons; of any other Linux machine some of it is known.
//
//   const Board board = read_board();
//   board.device;       // "jetson-orin-nano-8gb"
//   board.power_mode;   // "MODE_15W"
//
// All of it is read from files; no program is run.

#include <filesystem>
#include <string>
#include <vector>

namespace convoy::sensors {

// A clock or a number of cores, and the file that says it.
struct BoardFigure {
  std::string name;  // "cpu_cores", "cpu_hz", "gpu_hz", "memory_hz": at most, in the present mode
  double value = 0;
  std::string where;
};

// Texts are empty where they are not known.
struct Board {
  std::string model;   // /proc/device-tree/model, or the product name of a PC
  std::string module;  // NVIDIA's number of it, "p3767-0005"
  // The type in Convoy's catalogue that the module is; empty: none is, or its number does not tell.
  std::string device;
  std::string l4t;         // Jetson Linux, "36.4.3"
  std::string jetpack;     // version of the package nvidia-jetpack, where that is installed
  std::string power_mode;  // as nvpmodel calls it, "MODE_15W"
  std::string kernel;      // "5.15.148-tegra"
  std::string machine;     // "aarch64"
  std::string system;      // "Ubuntu 22.04.5 LTS"
  std::vector<BoardFigure> figures;
};

// "proc", "sys", "etc" and "var" are looked up in the root.
[[nodiscard]] Board read_board(const std::filesystem::path& root = "/");

// The catalogue's name of a mode: nvpmodel's without "MODE_", "MODE_30W_ALL" is "30W". `known`: the
// device's modes. Empty where none is meant.
[[nodiscard]] std::string catalogue_mode(const std::string& power_mode,
                                         const std::vector<std::string>& known);

}  // namespace convoy::sensors
