#pragma once

// What a program was built from and with, and the processor that it runs on: for the store of a
// run, and for --version.

#include <string>

namespace convoy::base {

// The commit, "-dirty" where files were changed since; "unknown": built without git. (In a library
// of its own, convoy_commit, written by cmake/commit.cmake.)
const char* source_commit();

std::string compiler();  // "GCC 12.2.0"
// By which libraries choose their kernels: the model, and what the user has told them of it.
std::string processor();

}  // namespace convoy::base
