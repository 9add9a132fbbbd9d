#include <dlfcn.h>
#include <fmt/format.h>

#include "engine/api/engine.hpp"
#include "engine/api/library.hpp"

namespace convoy::engine {
namespace {

constexpr const char* library_name = "libconvoy_learning.so";

}  // namespace

// The library stays open until the process ends: LibTorch does not survive being closed.
void* library_function(const char* name, const std::string& needed_by, const std::string& instead) {
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
    if (void* symbol = ::dlsym(library, name)) return symbol;
    failure = "it is of another build";
  }
  throw base::UserError(fmt::format(
      "{} needs {} beside the program ({}): {}; build it (./dev build){}", needed_by, library_name,
      program.parent_path().string(), failure.empty() ? "it is not there" : failure, instead));
}

namespace {

using Make = Engine*(const EngineOptions&);
Make* maker() {
  static Make* const make = reinterpret_cast<Make*>(library_function(
      "convoy_make_engine", "training.learn = true", ", or set training.learn = false"));
  return make;
}

}  // namespace

void load_library() { maker(); }

std::shared_ptr<const Engine> open_engine(const EngineOptions& options) {
  return std::shared_ptr<const Engine>(maker()(options));
}

}  // namespace convoy::engine
