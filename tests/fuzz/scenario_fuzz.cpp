// libFuzzer target for the scenario reader: any input is read or refused with a message.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sim/scenario/scenario.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A fleet of a million nodes or a billion samples is valid but slow to build: not tested here.
  convoy::base::Diagnostics problems;
  const auto scenario = convoy::sim::read_scenario_text(text, "fuzz.toml", {}, problems);
  if (scenario.has_value() == problems.has_errors()) std::abort();
  if (!scenario) return 0;
  // An accepted scenario, written and read again, is the same.
  convoy::base::Diagnostics again;
  const auto twice = convoy::sim::read_scenario_text(scenario->resolved, "fuzz.toml", {}, again);
  if (!twice || twice->hash != scenario->hash) std::abort();
  return 0;
}
