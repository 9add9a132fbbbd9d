#pragma once

// What made the figures of a run: source, compiler, libraries and CPU, for the table `host` of its
// store.

#include <map>
#include <string>

namespace convoy::cli {

// The commit that was built, "-dirty" where files were changed since; "unknown": built without git.
const char* source_commit();

// `commit`, `compiler`, `libtorch`, `cpu`; where the run `learns` also `blas` and `onednn`, as they
// are loaded (loads LibTorch; throws like engine::load_library).
std::map<std::string, std::string> provenance(bool learns);

}  // namespace convoy::cli
