#pragma once

// Reads [fleet]. Internal to sim/scenario.

#include <set>
#include <utility>

#include "base/table_reader.hpp"
#include "platforms/catalogue.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

struct Fleet {
  ByGroup<NodeConfig> nodes;  // the first is the server
  std::vector<SharedLinkConfig> shared_links;
  ByGroup<NodeIdentity> identities;
  ByGroup<std::shared_ptr<const platforms::Machine>> machines;
  ByGroup<std::optional<std::int64_t>> samples;  // where the scenario gives them
  ByGroup<std::optional<int>> batches;
  // Of the nodes, not of the server; they belong to the catalogue.
  std::set<std::pair<const platforms::Device*, const platforms::PowerMode*>> profiles;
  std::string traces;  // a hash of each trace used, one a line
};

Fleet read_fleet(base::TableReader reader, platforms::Catalogue& catalogue,
                 const std::filesystem::path& folder);

}  // namespace convoy::sim
