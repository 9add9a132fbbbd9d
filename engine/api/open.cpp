#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>

#include "base/files.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/library.hpp"

namespace convoy::engine {
namespace {

constexpr const char* library_name = "libconvoy_learning.so";

}  // namespace

// Never closes the library: LibTorch does not survive unloading.
void* library_function(const char* name, const std::string& needed_by, const std::string& instead) {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path path = base::companion(library_name);
  std::string failure;
  if (!path.empty()) {
    // OpenBLAS reads this when it is loaded. With its own threads the last bits would vary: 0.3.29
    // keeps them, whatever it is told later (engine/learning/devices.cpp).
    ::setenv("OPENBLAS_NUM_THREADS", "1", 0);  // NOLINT(concurrency-mt-unsafe): no thread yet
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) {
      if (void* symbol = ::dlsym(library, name)) return symbol;
      failure = "it is of another build";
    } else {
      failure = ::dlerror();  // NOLINT(concurrency-mt-unsafe): before any thread is there
    }
  }
  throw base::UserError(fmt::format(
      "{} needs {} beside the program ({}): {}; build it (./dev build){}", needed_by, library_name,
      program.parent_path().string(), failure.empty() ? "it is not there" : failure, instead));
}

namespace {

template <class Function>
Function* function_to_learn(const char* name) {
  return reinterpret_cast<Function*>(
      library_function(name, "training.learn = true", ", or set training.learn = false"));
}

using Make = Engine*(const EngineOptions&);
Make* maker() {
  static Make* const make = function_to_learn<Make>("convoy_make_engine");
  return make;
}

}  // namespace

void load_library() { maker(); }

std::map<std::string, std::string> library_facts() {
  std::map<std::string, std::string> facts;
  function_to_learn<void(std::map<std::string, std::string>&)>("convoy_library_facts")(facts);
  return facts;
}

std::shared_ptr<const Engine> open_engine(const EngineOptions& options) {
  return std::shared_ptr<const Engine>(maker()(options));
}

}  // namespace convoy::engine
