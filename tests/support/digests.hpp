#pragma once

// Digests of results, and the kind of CPU on which learned values have the same bits.

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <string>

namespace convoy::test {

// All rows of a query, columns joined by '|', with every bit of their numbers.
std::string exact_rows(SQLite::Database& database, const std::string& sql);

// The numbers of a run's model.safetensors, without the header, which names their origin.
std::string weights_of(const std::filesystem::path& folder);

// A version as printed by `convoy --version`: "simgrid", "libtorch".
std::string library(const std::string& name);
// With another version the last bits of virtual times may differ.
constexpr const char* pinned_simgrid = "3.32.0";

// All properties by which BLAS, oneDNN and LibTorch choose their kernels and block sizes.
std::string kind_of_cpu();

// Kinds of CPU for which digests are pinned.
constexpr const char* zen5 = "AuthenticAMD 26 2 1024 KB 1aa3c894";
constexpr const char* zen5_as_haswell =
    "AuthenticAMD 26 2 1024 KB 1aa3c894 OPENBLAS_CORETYPE=Haswell";

}  // namespace convoy::test
