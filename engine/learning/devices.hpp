#pragma once

// What the engine computes on, and its threads.

#include <ATen/ATen.h>

#include <string>

namespace convoy::engine {

// "cpu", "cuda", "cuda:1". Throws base::UserError where it is not there.
at::Device device_of(const std::string& name);

// What LibTorch's own libraries are told before anything is computed. Matrix products stay in the
// caller's thread: OpenBLAS starts threads of its own, whatever LibTorch is told. oneDNN 3 is not
// used: see uses_onednn(). And with glibc up to 256 MiB that a layer has freed stay with the
// process for the next layer, on machines of up to four cores in one heap for all threads (with two
// workers runs that learn took a third to four fifths of the time so; with many, where that heap
// would be in demand, it was not tried). Not where the environment says how memory is kept
// (GLIBC_TUNABLES, MALLOC_ARENA_MAX and its like).
void set_up_libraries();

// False for oneDNN 3. What its convolutions give in version 3.7.2 (Debian 13, LibTorch 2.6) depends
// on memory that nobody has set, where channels do not fill its blocks of 16: in a process that has
// run for a while that is NaN now and then. (tests/engine/learning/unset_memory_test.cpp; 2.6.3 is
// in order, no other was tried.) Convolutions are then LibTorch's own, by way of OpenBLAS: they
// unfold their input, which memory by costs.hpp does not count (cnn-small took 1.4 times as much).
bool uses_onednn();

}  // namespace convoy::engine
