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
  std::vector<NodeConfig> nodes;  // the first is the server
  std::vector<SharedLinkConfig> shared_links;
  std::vector<NodeIdentity> identities;
  std::vector<std::shared_ptr<const platforms::Machine>> machines;
  std::vector<std::optional<std::int64_t>> samples;  // by node, if given in the scenario
  std::vector<std::optional<int>> batches;
  std::vector<base::Location> places;  // by node: its place in the file
  // The workers' device types and power modes (not the server's); owned by the catalogue.
  std::set<std::pair<const platforms::Device*, const platforms::PowerMode*>> profiles;
  std::string traces;  // a hash of each trace used, one a line
};

Fleet read_fleet(base::TableReader reader, platforms::Catalogue& catalogue,
                 const std::filesystem::path& folder);

}  // namespace convoy::sim
