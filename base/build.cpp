#include "base/build.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

#include "base/diagnostics.hpp"
#include "base/files.hpp"

namespace convoy::base {

std::string compiler() {
#ifdef __clang__
  return "Clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

std::string processor() {
  std::string model;
  std::istringstream in;
  try {
    in.str(read_file("/proc/cpuinfo"));
  } catch (const UserError&) {
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

}  // namespace convoy::base
