#include "engine/data/sources.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::engine {

SourceName parse_source(const std::string& source, const std::filesystem::path& folder) {
  static const std::vector<std::string> kinds = {"glyphs", "idx", "cifar10", "cifar100", "csv"};
  const auto colon = source.find(':');
  SourceName name{source.substr(0, colon), {}, {}};
  if (source == "glyphs") return name;
  if (std::find(kinds.begin() + 1, kinds.end(), name.kind) == kinds.end() ||
      colon == std::string::npos || colon + 1 == source.size()) {
    const bool known = std::ranges::find(kinds, name.kind) != kinds.end();
    const std::string hint = known ? fmt::format("; name its folder: \"{}:/DIR\"", name.kind)
                                   : base::did_you_mean(name.kind, kinds);
    name.problem = fmt::format(
        "expected \"glyphs\", \"idx:DIR\", \"cifar10:DIR\", \"cifar100:DIR\", \"csv:FILE\" or "
        "\"csv:DIR\", got \"{}\"{}",
        source, hint);
    return name;
  }
  name.path = folder / source.substr(colon + 1);
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(name.path, ignored);
  const bool is_file = std::filesystem::is_regular_file(name.path, ignored);
  if (!is_folder && !(name.kind == "csv" && is_file)) {
    name.problem = fmt::format(
        "there is no {} {}", name.kind == "csv" ? "file or folder" : "folder", name.path.string());
  }
  return name;
}

std::unique_ptr<DataSource> open_source(const DataOptions& options,
                                        const std::filesystem::path& folder) {
  const SourceName name = parse_source(options.source, folder);
  if (!name.problem.empty()) throw base::UserError("data.source: " + name.problem);
  if (name.kind == "idx") return open_idx(options, name.path);
  if (name.kind == "cifar10") return open_cifar(options, name.path, 10);
  if (name.kind == "cifar100") return open_cifar(options, name.path, 100);
  if (name.kind == "csv") return open_csv(options, name.path);
  return open_glyphs(options);
}

}  // namespace convoy::engine
