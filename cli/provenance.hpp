#pragma once

// Provenance of a run's figures: source, compiler, libraries and CPU, for table `host` of the
// store.

#include <map>
#include <string>

namespace convoy::cli {

// `commit`, `compiler`, `libtorch`, `simgrid`, `cpu`; if the run `learns` also `blas` and `onednn`
// as loaded (loads LibTorch; throws like engine::load_library).
std::map<std::string, std::string> provenance(bool learns);

// For --version: one line each; the engine's libraries only if installed.
std::string version_text();

}  // namespace convoy::cli
