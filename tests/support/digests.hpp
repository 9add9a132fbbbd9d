#pragma once

// Digests of what runs come to, and the kind of CPU on which what is learned has the same bits.

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <string>

namespace convoy::test {

// All rows of a query, columns joined by '|', every bit of their numbers.
std::string exact_rows(SQLite::Database& database, const std::string& sql);

// The numbers of a run's model.safetensors; the header in front of them says where they came from.
std::string weights_of(const std::filesystem::path& folder);

// Its version, as `convoy --version` says it: "simgrid", "libtorch".
std::string library(const std::string& name);
// With another one the last bits of virtual times are others.
constexpr const char* pinned_simgrid = "3.32.0";

// All that BLAS, oneDNN and LibTorch look at when they pick their kernels and cut their blocks.
std::string kind_of_cpu();

// Kinds of CPU for which digests are pinned.
constexpr const char* zen5 = "AuthenticAMD 26 2 1024 KB 1aa3c894";
constexpr const char* zen5_as_haswell =
    "AuthenticAMD 26 2 1024 KB 1aa3c894 OPENBLAS_CORETYPE=Haswell";

}  // namespace convoy::test
