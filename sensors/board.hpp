#pragma once

// Identifies the machine and its settings: module, system release, power mode, clocks. Made for
// NVIDIA's Jetsons; other Linux machines give a part of it.
//
//   const Board board = read_board();
//   board.device;       // "jetson-orin-nano-8gb"
//   board.power_mode;   // "MODE_15W"
//
// Reads files only; runs no program.

#include <filesystem>
#include <string>
#include <vector>

namespace convoy::sensors {

// A clock or a number of cores, and its source file.
struct BoardFigure {
  std::string name;  // "cpu_cores", "cpu_hz", "gpu_hz", "memory_hz": maximum in the present mode
  double value = 0;
  std::string where;
};

// Unknown texts are empty.
struct Board {
  std::string model;   // /proc/device-tree/model, or the product name of a PC
  std::string module;  // NVIDIA's part number, "p3767-0005"
  // The module's device type in Convoy's catalogue; empty: unknown or ambiguous part number.
  std::string device;
  std::string l4t;         // Jetson Linux, "36.4.3"
  std::string jetpack;     // version of the package nvidia-jetpack, if installed
  std::string power_mode;  // nvpmodel's name, "MODE_15W"
  std::string kernel;      // "5.15.148-tegra"
  std::string machine;     // "aarch64"
  std::string system;      // "Ubuntu 22.04.5 LTS"
  std::vector<BoardFigure> figures;
};

// `root`: folder that contains "proc", "sys", "etc" and "var".
[[nodiscard]] Board read_board(const std::filesystem::path& root = "/");

// The catalogue's name of a power mode: nvpmodel's without "MODE_"; "MODE_30W_ALL" is "30W".
// `known`: the device's modes. Empty if no mode matches.
[[nodiscard]] std::string catalogue_mode(const std::string& power_mode,
                                         const std::vector<std::string>& known);

}  // namespace convoy::sensors
