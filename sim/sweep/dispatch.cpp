#include "sim/sweep/dispatch.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "sim/sweep/mpi.hpp"

namespace convoy::sim {
namespace {

constexpr int tick_ms = 200;

// MPI is in a library of its own, since loading it takes longer than many runs. The library binds
// to its own symbols first: SimGrid contains an MPI with the same names.
template <class Function>
Function* mpi_function(const char* name) {
  const std::filesystem::path library = base::companion("libconvoy_mpi.so");
  static void* handle =
      library.empty() ? nullptr : ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  void* function = handle != nullptr ? ::dlsym(handle, name) : nullptr;
  if (function == nullptr) {
    const char* why = ::dlerror();  // NOLINT(concurrency-mt-unsafe): of this thread
    throw base::UserError(
        "this convoy cannot work under mpirun; build it where libopenmpi-dev is installed" +
        (why != nullptr ? " (" + std::string(why) + ")" : std::string()));
  }
  return reinterpret_cast<Function*>(function);
}

}  // namespace

void dispatch(Dispatch& work) {
  std::size_t next = 0;
  for (;;) {
    const bool stop = work.interrupted != nullptr && *work.interrupted;
    bool busy = false;
    for (PointWorker& worker : *work.workers) {
      if (!worker.busy() && !worker.dead() && !stop && next < work.points.size()) {
        work.began(work.points[next]);
        worker.begin(work.points[next++]);
      }
      if (stop) worker.interrupt();
      busy = busy || worker.busy();
    }
    if (!busy) return;
    for (const PointEnd& end : wait_for_ends(*work.workers, tick_ms)) work.ended(end);
    work.tick();
  }
}

bool under_mpi() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
}

int ranks_here() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* ranks = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  return ranks == nullptr ? 1 : std::max(1, static_cast<int>(std::strtol(ranks, nullptr, 10)));
}

int join_mpi() { return mpi_function<int()>("convoy_mpi_join")(); }

void dispatch_by_mpi(Dispatch& work) { mpi_function<void(Dispatch&)>("convoy_mpi_dispatch")(work); }

}  // namespace convoy::sim
