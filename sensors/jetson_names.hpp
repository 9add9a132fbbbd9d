#pragma once

// What the names of power rails and of thermal zones mean. The same names stand in sysfs and in
// the lines of tegrastats.

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

// The rails whose powers add up to all that goes into the module.
struct TotalRails {
  std::vector<std::size_t> rails;  // into the names that were given
  std::string_view scope;          // what the total covers, for people: "module", ...
};

// Which of these rails make up the total. Most modules have one rail at their input, and the others
// are parts of it: adding them would count them twice. The AGX modules have no such rail, but
// disjoint ones; there all of them must be known, since a part would pass for a small total.
// Nothing where the names do not tell. The table with its sources is in jetson_names.cpp.
[[nodiscard]] std::optional<TotalRails> total_rails(std::span<const std::string> names);

// The sum of the rails that make up the total, in the unit of the values and not below 0 (the
// sensors have an offset, by which an idle rail can read negative).
[[nodiscard]] std::optional<double> total_power(std::span<const NamedValue> rails);

enum class ZoneKind {
  junction,  // the hottest place of the chip, as the firmware takes it: "tj-thermal"
  chip,      // a part of the chip: CPU, GPU, SoC, accelerators
  other,     // the board, a radio, a regulator that always says 100 C (PMIC-Die), an estimate
};
// By the name of a thermal zone, as in sysfs ("CPU-therm", "gpu-thermal", "x86_pkg_temp") or as in
// tegrastats ("CPU", "gpu", "tj").
[[nodiscard]] ZoneKind zone_kind(std::string_view name);

// The chip's temperature in C: of the junction zones, or the hottest of its parts. Readings that a
// sensor gives when it is off (-256 C, -40 C) are left out. Nothing where none is left.
[[nodiscard]] std::optional<double> chip_temperature(std::span<const NamedValue> zones_c);

}  // namespace convoy::sensors
