#include "engine/learning/devices.hpp"

#include <ATen/Version.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <thread>

#include "base/diagnostics.hpp"

namespace convoy::engine {

at::Device device_of(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu()) return device;
    if (device.is_cuda() && at::globalContext().hasCUDA()) {
      const auto count = c10::impl::getDeviceGuardImpl(at::kCUDA)->deviceCount();
      if (device.index() < static_cast<int>(count)) return device;
      throw base::UserError(fmt::format("--device {}: there are {} GPUs here", name, count));
    }
  } catch (const c10::Error&) {
    throw base::UserError(fmt::format("--device {}: expected cpu, cuda or cuda:N", name));
  }
  throw base::UserError(fmt::format("--device {}: this LibTorch was built without it", name));
}

bool uses_onednn() { return at::get_mkldnn_version().find(" v3.") == std::string::npos; }

// By default glibc returns memory to the system after each layer and gets it again, page by page,
// for the next one; in heaps of single threads it does so whatever the settings.
static void keep_memory_between_layers() {
#ifdef __GLIBC__
  for (const char* own :
       {"GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}) {
    if (std::getenv(own) != nullptr) return;
  }
  constexpr int largest_block = 32 << 20;  // the most that glibc takes; beyond it blocks are mapped
  constexpr int most_kept = 256 << 20;
  ::mallopt(M_MMAP_THRESHOLD, largest_block);
  ::mallopt(M_TRIM_THRESHOLD, most_kept);
  constexpr unsigned few_cores = 4;
  if (std::thread::hardware_concurrency() <= few_cores) ::mallopt(M_ARENA_MAX, 1);
#endif
}

void set_up_libraries() {
  keep_memory_between_layers();
  if (!uses_onednn()) at::globalContext().setUserEnabledMkldnn(false);
  at::globalContext().setDeterministicCuDNN(true);
  for (const char* name : {"libopenblas.so.0", "libblas.so.3"}) {
    void* library = ::dlopen(name, RTLD_NOLOAD | RTLD_LAZY);
    if (library == nullptr) continue;
    using SetThreads = void(int);
    if (void* symbol = ::dlsym(library, "openblas_set_num_threads")) {
      reinterpret_cast<SetThreads*>(symbol)(1);
      return;
    }
  }
}

}  // namespace convoy::engine
