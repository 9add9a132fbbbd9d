#pragma once

// Which libraries compute what is learned: its last bits are theirs.

#include <map>
#include <string>

namespace convoy::engine {

// `libtorch`, `blas` (with the kernels that it chose for this CPU, where it tells), `onednn`. Loads
// LibTorch; throws like load_library().
std::map<std::string, std::string> library_facts();

}  // namespace convoy::engine
