#include "cli/provenance.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "engine/api/provenance.hpp"

namespace convoy::cli {
namespace {

std::string compiler() {
#ifdef __clang__
  return "Clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

// By which libraries choose their kernels: the model, and what the user has told them of it.
std::string cpu() {
  std::string model;
  std::istringstream in;
  try {
    in.str(base::read_file("/proc/cpuinfo"));
  } catch (const base::UserError&) {
    return "unknown";
  }
  for (std::string line; model.empty() && std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    for (const char* field : {"model name", "Model", "CPU part"}) {  // x86; boards; other ARM
      if (line.starts_with(field)) model = line.substr(colon + 2);
    }
  }
  if (model.empty()) model = "unknown";
  for (const char* variable :
       {"OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables here
    if (const char* value = std::getenv(variable)) model += fmt::format(" {}={}", variable, value);
  }
  return model;
}

}  // namespace

std::map<std::string, std::string> provenance(bool learns) {
  std::map<std::string, std::string> facts = {{"commit", source_commit()},
                                              {"compiler", compiler()},
                                              {"libtorch", CONVOY_LIBTORCH},
                                              {"cpu", cpu()}};
  if (learns) {
    for (auto& [key, value] : engine::library_facts()) facts[key] = std::move(value);
  }
  return facts;
}

}  // namespace convoy::cli
