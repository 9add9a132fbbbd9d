// What the engine's library computes with, for library_facts() of engine/api/engine.hpp.

#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/csrc/api/include/torch/version.h>

#include <filesystem>
#include <map>
#include <string>

#include "engine/learning/devices.hpp"

namespace {

// OpenBLAS reports its name and kernels; for other BLAS libraries gives the file.
std::string blas() {
  using Text = char*();
  std::string text;
  for (const char* name : {"openblas_get_config", "openblas_get_corename"}) {
    auto* const function = reinterpret_cast<Text*>(::dlsym(RTLD_DEFAULT, name));
    if (function == nullptr) continue;
    const std::string said = function();
    if (text.find(said) != std::string::npos) continue;
    text += (text.empty() ? "" : ", ") + said;
  }
  if (!text.empty()) return text;
  Dl_info where{};
  const void* product = ::dlsym(RTLD_DEFAULT, "sgemm_");
  if (product == nullptr || ::dladdr(product, &where) == 0) return "unknown";
  std::error_code none;
  const auto file = std::filesystem::canonical(where.dli_fname, none);
  return none ? where.dli_fname : file.string();
}

}  // namespace

extern "C" void convoy_library_facts(std::map<std::string, std::string>& facts) {
  facts["libtorch"] = TORCH_VERSION;
  facts["blas"] = blas();
  facts["onednn"] = at::get_mkldnn_version() + (convoy::engine::uses_onednn() ? "" : ", not used");
}
