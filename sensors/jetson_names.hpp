#pragma once

// Meanings of the names of power rails and thermal zones, which are the same in sysfs and in
// tegrastats.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::sensors {

struct NamedValue {
  std::string name;
  double value = 0;
};

// The rails whose sum is the module's total input power.
struct TotalRails {
  std::vector<std::size_t> rails;  // indices of the given names
  std::string_view scope;          // what the total covers, for people: "module", ...
};

// Finds the rails that form the total. Most modules have one input rail, and the others are parts
// of it. The AGX modules have only disjoint rails, which are added; all must be known, since a
// partial sum would look like a small total. Nothing for unknown names. Table and sources:
// jetson_names.cpp.
[[nodiscard]] std::optional<TotalRails> total_rails(std::span<const std::string> names);

// Sum of the rails of the total, in the values' unit and at least 0 (idle rails may read negative,
// by the sensors' offset).
[[nodiscard]] std::optional<double> total_power(std::span<const NamedValue> rails);

enum class ZoneKind {
  junction,  // hottest place of the chip, computed by the firmware: "tj-thermal"
  chip,      // a part of the chip: CPU, GPU, SoC, accelerators
  other,     // the board, a radio, a regulator that always says 100 C (PMIC-Die), an estimate
};
// The kind of a thermal zone, by its name in sysfs ("CPU-therm", "gpu-thermal", "x86_pkg_temp") or
// in tegrastats ("CPU", "gpu", "tj").
[[nodiscard]] ZoneKind zone_kind(std::string_view name);

// The chip's temperature in C: of the junction zones, else of the hottest part. Ignores readings of
// switched-off sensors (-256 C, -40 C). Nothing if no reading is left.
[[nodiscard]] std::optional<double> chip_temperature(std::span<const NamedValue> zones_c);

}  // namespace convoy::sensors
