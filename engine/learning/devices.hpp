#pragma once

// What the engine computes on, and its threads.

#include <ATen/ATen.h>

#include <string>

namespace convoy::engine {

// "cpu", "cuda", "cuda:1". Throws base::UserError where it is not there.
at::Device device_of(const std::string& name);

// Matrix products stay in the caller's thread: OpenBLAS starts threads of its own, whatever
// LibTorch is told.
void quiet_blas();

}  // namespace convoy::engine
