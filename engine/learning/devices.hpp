#pragma once

// The computing device of the engine, and its threads.

#include <ATen/ATen.h>

#include <string>

namespace convoy::engine {

// "cpu", "cuda", "cuda:1". Throws base::UserError if the device is not there.
at::Device device_of(const std::string& name);

// Configures LibTorch's libraries before the first computation. Matrix products stay in the
// caller's thread (OpenBLAS would start threads, whatever LibTorch is told). oneDNN 3 is switched
// off: see uses_onednn(). On a GPU convolutions use only algorithms of cuDNN that give the same
// bits each time. With glibc, up to 256 MiB freed by a layer stay with the process for the next
// layer; machines with up to four cores use one heap for all threads (with two workers this reduced
// learning runs to a third to four fifths of the time; more workers were not tried, the heap's lock
// may limit them). Skipped if the environment configures malloc (GLIBC_TUNABLES, MALLOC_ARENA_MAX
// and the like).
void set_up_libraries();

// False for oneDNN 3: the convolutions of version 3.7.2 (Debian 13, LibTorch 2.6) read unset memory
// if channels do not fill blocks of 16; in a long-running process the result is sometimes NaN
// (tests/engine/learning/unset_memory_test.cpp; 2.6.3 is correct, others were not tried).
// LibTorch's own convolutions by OpenBLAS then unfold their input, which the memory model of
// costs.hpp does not count (cnn-small took 1.4 times as much memory).
bool uses_onednn();

}  // namespace convoy::engine
