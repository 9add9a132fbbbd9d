#pragma once

// Parses lines of tegrastats, NVIDIA's monitor on Jetsons. It prints one line per interval; the
// fields differ between modules and releases:
//
//   RAM 1345/7829MB (lfb 1290x4MB) SWAP 0/512MB (cached 0MB) CPU [2%@345,off,off,off,off,off]
//   EMC_FREQ 13%@40 GR3D_FREQ 0%@114 APE 150 MCPU@35C GPU@41C PMIC@100C VDD_IN 2003/2658 (...)
//
// Fields: Jetson Linux Developer Guide, tegrastats Utility. Differences not documented there:
//   - since JetPack 5 a date stands in front and powers have their unit (VDD_IN 5542mW/5542mW);
//   - GR3D_FREQ is "22%", "16%@76", "84%@[713]", "99%@[1300,0]", or on Thor "@[1574,1574]" with no
//     load at all (github.com/rbonghi/jetson_stats/pull/894);
//   - JetPack 7 adds a peak: cpu@58.25C/61.75C, VDD_GPU 37939mW/8660mW/37939mW (now/mean/peak);
//   - a sensor that is off reads -256C, an idle rail can read negative.
// Of several values in a field, only the first (present) one is kept.

#include <optional>
#include <string_view>
#include <vector>

#include "sensors/jetson_names.hpp"

namespace convoy::sensors {

struct TegrastatsLine {
  std::optional<double> ram_used_bytes;
  std::optional<double> ram_total_bytes;
  std::optional<double> swap_used_bytes;
  std::optional<double> swap_total_bytes;
  std::vector<std::optional<double>> core_loads;  // 0..1; none for inactive cores
  std::optional<double> emc_load;                 // 0..1, of the memory controller
  std::optional<double> gpu_load;                 // 0..1
  std::vector<NamedValue> temperatures_c;         // in the order of the line, as all lists below
  std::vector<NamedValue> rails_w;

  // Mean of the active cores.
  [[nodiscard]] std::optional<double> cpu_load() const;
  // The module's input power: total_power() of the rails.
  [[nodiscard]] std::optional<double> power_w() const;
  // chip_temperature() of the temperatures.
  [[nodiscard]] std::optional<double> temperature_c() const;
};

// Parses one line, with or without line end. Skips unknown and incomplete fields: of a truncated
// line the fields before the cut are kept. Nothing if no field is known. Throws only
// std::bad_alloc.
[[nodiscard]] std::optional<TegrastatsLine> parse_tegrastats(std::string_view line);

}  // namespace convoy::sensors
