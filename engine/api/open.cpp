#include <dlfcn.h>
#include <fmt/format.h>

#include "engine/api/engine.hpp"

namespace convoy::engine {
namespace {

using Make = Engine*(const EngineOptions&);

constexpr const char* library_name = "libconvoy_learning.so";

// The library stays open until the process ends: LibTorch does not survive being closed.
Make* find_maker() {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  std::string failure;
  for (const char* place : {".", "..", "../lib", "../.."}) {
    const std::filesystem::path path = program.parent_path() / place / library_name;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      failure = ::dlerror();  // NOLINT(concurrency-mt-unsafe): before any thread is there
      break;
    }
    void* symbol = ::dlsym(library, "convoy_make_engine");
    if (symbol != nullptr) return reinterpret_cast<Make*>(symbol);
    failure = "it is of another build";
  }
  throw base::UserError(fmt::format(
      "training.learn = true needs {} beside the program ({}): {}; build it (./dev build), or set "
      "training.learn = false",
      library_name, program.parent_path().string(), failure.empty() ? "it is not there" : failure));
}

}  // namespace

std::shared_ptr<const Engine> open_engine(const EngineOptions& options) {
  static Make* const make = find_maker();
  return std::shared_ptr<const Engine>(make(options));
}

}  // namespace convoy::engine
