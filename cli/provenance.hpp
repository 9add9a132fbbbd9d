#pragma once

// What made the figures of a run: source, compiler, libraries and CPU, for the table `host` of its
// store.

#include <map>
#include <string>

namespace convoy::cli {

// `commit`, `compiler`, `libtorch`, `simgrid`, `cpu`; where the run `learns` also `blas` and
// `onednn`, as they are loaded (loads LibTorch; throws like engine::load_library).
std::map<std::string, std::string> provenance(bool learns);

// For --version: a line each, the engine's libraries where it is there.
std::string version_text();

}  // namespace convoy::cli
