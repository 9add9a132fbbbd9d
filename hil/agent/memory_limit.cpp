#include "hil/agent/memory_limit.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <new>
#include <string_view>

namespace convoy::hil {

void limit_memory(double bytes) {
  if (bytes <= 0) return;
  const auto most = static_cast<rlim_t>(bytes);
  const rlimit limit{most, most};
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) {
    spdlog::warn("max_memory_gb: the limit could not be set");
  }
}

wire::Trouble trouble_of(const std::exception& e) {
  if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) return wire::Trouble::out_of_memory;
  const std::string_view what = e.what();
  for (const char* words : {"out of memory", "not enough memory", "can't allocate memory"}) {
    if (what.find(words) != std::string_view::npos) return wire::Trouble::out_of_memory;
  }
  return wire::Trouble::failed;
}

}  // namespace convoy::hil
