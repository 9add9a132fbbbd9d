#pragma once

// The kinds of sources, each in a file of its own. open_source knows which is meant.

#include <filesystem>
#include <memory>
#include <string>

#include "engine/data/dataset.hpp"

namespace convoy::engine {

// A source as a scenario names it.
struct SourceName {
  std::string kind;            // "idx"
  std::filesystem::path path;  // from the folder of the scenario; empty for glyphs
  std::string problem;         // what is wrong with it; empty where nothing is
};
SourceName parse_source(const std::string& source, const std::filesystem::path& folder);

std::unique_ptr<DataSource> open_glyphs(const DataOptions& options);
std::unique_ptr<DataSource> open_idx(const DataOptions& options,
                                     const std::filesystem::path& folder);
std::unique_ptr<DataSource> open_cifar(const DataOptions& options,
                                       const std::filesystem::path& folder, int classes);
std::unique_ptr<DataSource> open_csv(const DataOptions& options, const std::filesystem::path& path);

}  // namespace convoy::engine
