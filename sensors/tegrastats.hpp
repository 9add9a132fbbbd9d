#pragma once

// Lines of tegrastats, NVIDIA's monitor on every Jetson. It prints one line an interval, whose
// fields differ between modules and releases:
//
//   RAM 1345/7829MB (lfb 1290x4MB) SWAP 0/512MB (cached 0MB) CPU [2%@345,off,off,off,off,off]
//   EMC_FREQ 13%@40 GR3D_FREQ 0%@114 APE 150 MCPU@35C GPU@41C PMIC@100C VDD_IN 2003/2658 (...)
//
// The meaning of the fields: Jetson Linux Developer Guide, tegrastats Utility. What is not told
// there and differs:
//   - since JetPack 5 a date stands in front and powers have their unit (VDD_IN 5542mW/5542mW);
//   - GR3D_FREQ is "22%", "16%@76", "84%@[713]", "99%@[1300,0]", or on Thor "@[1574,1574]" with no
//     load at all (github.com/rbonghi/jetson_stats/pull/894);
//   - JetPack 7 adds a peak: cpu@58.25C/61.75C, VDD_GPU 37939mW/8660mW/37939mW (now/mean/peak);
//   - a sensor that is off reads -256C, an idle rail can read negative.
// Of several values of a field the first, which is of now, is kept.

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
  std::vector<std::optional<double>> core_loads;  // 0..1; none for a core that is off
  std::optional<double> emc_load;                 // 0..1, of the memory controller
  std::optional<double> gpu_load;                 // 0..1
  std::vector<NamedValue> temperatures_c;         // in the order of the line, as all below
  std::vector<NamedValue> rails_w;

  // The mean of the cores that are on.
  [[nodiscard]] std::optional<double> cpu_load() const;
  // All that goes into the module: total_power() of the rails.
  [[nodiscard]] std::optional<double> power_w() const;
  // chip_temperature() of the temperatures.
  [[nodiscard]] std::optional<double> temperature_c() const;
};

// Reads one line, with or without its end of line. Unknown fields are passed over, and so is what
// is not whole: of a line that is cut off, the fields before the cut are kept. Nothing where no
// field is known. Throws nothing but std::bad_alloc.
[[nodiscard]] std::optional<TegrastatsLine> parse_tegrastats(std::string_view line);

}  // namespace convoy::sensors
