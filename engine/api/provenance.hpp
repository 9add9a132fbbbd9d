#pragma once

// The libraries that compute the learning; they determine its last bits.

#include <map>
#include <string>

namespace convoy::engine {

// `libtorch`, `blas` (with its kernels for this CPU, if known), `onednn`. Loads LibTorch; throws
// like load_library().
std::map<std::string, std::string> library_facts();

}  // namespace convoy::engine
