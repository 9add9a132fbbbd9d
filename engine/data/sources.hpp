#pragma once

// The kinds of data sources, each in its own file. open_source() chooses the kind.

#include <filesystem>
#include <memory>
#include <string>

#include "engine/data/dataset.hpp"

namespace convoy::engine {

// A source as named in a scenario.
struct SourceName {
  std::string kind;            // "idx"
  std::filesystem::path path;  // relative to the scenario's folder; empty for glyphs
  std::string problem;         // error text; empty: no error
};
SourceName parse_source(const std::string& source, const std::filesystem::path& folder);

std::unique_ptr<DataSource> open_glyphs(const DataOptions& options);
std::unique_ptr<DataSource> open_idx(const DataOptions& options,
                                     const std::filesystem::path& folder);
std::unique_ptr<DataSource> open_cifar(const DataOptions& options,
                                       const std::filesystem::path& folder, int classes);
std::unique_ptr<DataSource> open_csv(const DataOptions& options, const std::filesystem::path& path);

}  // namespace convoy::engine
