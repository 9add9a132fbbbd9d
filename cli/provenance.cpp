#include "cli/provenance.hpp"

#include <fmt/format.h>

#include "base/build.hpp"
#include "base/diagnostics.hpp"
#include "engine/api/engine.hpp"
#include "sim/run/simulator_version.hpp"

namespace convoy::cli {

std::map<std::string, std::string> provenance(bool learns) {
  std::map<std::string, std::string> facts = {{"commit", base::source_commit()},
                                              {"compiler", base::compiler()},
                                              {"libtorch", CONVOY_LIBTORCH},
                                              {"simgrid", sim::simulator_version()},
                                              {"cpu", base::processor()}};
  if (learns) {
    for (auto& [key, value] : engine::library_facts()) facts[key] = std::move(value);
  }
  return facts;
}

std::string version_text() {
  std::string text = std::string("convoy ") + CONVOY_VERSION;
  std::map<std::string, std::string> facts;
  try {
    facts = provenance(true);
  } catch (const base::UserError& e) {
    facts = provenance(false);
    facts["engine"] = e.what();
  }
  for (const auto& [key, value] : facts) text += fmt::format("\n{:<9} {}", key, value);
  return text;
}

}  // namespace convoy::cli
