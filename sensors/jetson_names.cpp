#include "sensors/jetson_names.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace convoy::sensors {
namespace {

struct Total {
  std::string_view scope;
  std::vector<std::string_view> rails;
};

// The first entry whose rails are all present is used.
const std::vector<Total>& totals() {
  static const std::vector<Total> all = {
      // TX1, TX2, TX2 NX, Xavier NX, Orin NX, Orin Nano. "VDD_IN is the total power of module":
      // forums.developer.nvidia.com/t/interpretation-of-jetson-nx-power-rail/200883
      {"module", {"VDD_IN"}},
      // Nano. "POM_5V_IN measures the overall 5V input to the board [...] You don't need to add
      // POM_5V_GPU and POM_5V_CPU to it": forums.developer.nvidia.com/t/73608/8, quoted in
      // github.com/rbonghi/jetson_stats/issues/51
      {"module", {"POM_5V_IN"}},
      // AGX Thor's developer kit has an INA238 at its input; it measures "Jetson + carrier":
      // forums.developer.nvidia.com/t/366461; github.com/rbonghi/jetson_stats/pull/900
      {"board with its carrier", {"VIN"}},
      // AGX Xavier: six separate supplies; SYS_VIN_HV feeds the first five, the last one is
      // SYS_VIN_MV (Product Design Guide DG-09840-001, 5.6.2 and table 5-1). The total is their
      // sum:
      // forums.developer.nvidia.com/t/xavier-jetson-total-power-consumption/81016
      {"module", {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"}},
      // AGX Orin. VIN_SYS_5V0 is not the total but the 5 V side (IO, memory). It includes
      // VDDQ_VDD2_1V8AO, so that rail is not added. Source: Jetson Linux Developer Guide, Jetson
      // Orin NX Series and Jetson AGX Orin Series, Software-Based Power Consumption Modeling. See
      // also github.com/rbonghi/jetson_stats/issues/344
      {"module", {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}},
      // Thor on a carrier without the INA238: as on AGX Orin.
      {"module", {"VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"}},
  };
  return all;
}

constexpr double coldest_c = -40;  // lowest of any Jetson; a switched-off sensor reads -256
constexpr double hottest_c = 150;

}  // namespace

std::optional<TotalRails> total_rails(std::span<const std::string> names) {
  for (const Total& total : totals()) {
    TotalRails found{{}, total.scope};
    for (const std::string_view rail : total.rails) {
      const auto at = std::find(names.begin(), names.end(), rail);
      if (at != names.end()) {
        found.rails.push_back(static_cast<std::size_t>(at - names.begin()));
      }
    }
    if (found.rails.size() == total.rails.size()) return found;
  }
  return std::nullopt;
}

std::optional<double> total_power(std::span<const NamedValue> rails) {
  std::vector<std::string> names;
  names.reserve(rails.size());
  for (const NamedValue& rail : rails) names.push_back(rail.name);
  const std::optional<TotalRails> total = total_rails(names);
  if (!total) return std::nullopt;
  double sum = 0;
  for (const std::size_t rail : total->rails) sum += rails[rail].value;
  return std::max(sum, 0.0);
}

ZoneKind zone_kind(std::string_view name) {
  // Without the ending: "-therm" (JetPack 4, 5.0), "-thermal" (5.1 and later), "_tegra", "-Die".
  const std::string stem =
      base::in_small_letters(std::string(name.substr(0, name.find_first_of("-_"))));
  if (stem == "tj") return ZoneKind::junction;
  if (name == "x86_pkg_temp") return ZoneKind::chip;  // the package of an Intel processor
  // "soc012" and "cv0" have numbers. The Nano's zones AO and PLL count as other: AO reads several
  // degrees more than the CPU next to it.
  const std::size_t letters = std::min(stem.find_first_of("0123456789"), stem.size());
  const std::string_view part = std::string_view(stem).substr(0, letters);
  constexpr std::array<std::string_view, 7> parts = {"cpu", "bcpu", "mcpu", "gpu",
                                                     "soc", "aux",  "cv"};
  const bool known = std::find(parts.begin(), parts.end(), part) != parts.end();
  return known ? ZoneKind::chip : ZoneKind::other;
}

std::optional<double> chip_temperature(std::span<const NamedValue> zones_c) {
  std::optional<double> junction;
  std::optional<double> chip;
  for (const NamedValue& zone : zones_c) {
    if (zone.value <= coldest_c || zone.value > hottest_c) continue;
    const ZoneKind kind = zone_kind(zone.name);
    if (kind == ZoneKind::other) continue;
    std::optional<double>& hottest = kind == ZoneKind::junction ? junction : chip;
    hottest = std::max(hottest.value_or(zone.value), zone.value);
  }
  return junction ? junction : chip;
}

}  // namespace convoy::sensors
