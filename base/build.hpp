#pragma once

// How the program was built (commit, compiler) and the processor that it runs on: stored with each
// run and printed by --version.

#include <string>

namespace convoy::base {

// The git commit, with "-dirty" where files were changed since; "unknown" without git. (Lies in a
// library of its own, convoy_commit, written by cmake/commit.cmake.)
const char* source_commit();

std::string compiler();  // "GCC 12.2.0"
// The CPU model and the environment variables by which libraries choose their kernels.
std::string processor();

}  // namespace convoy::base
