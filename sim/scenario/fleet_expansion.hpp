#pragma once

// [fleet] as it is written with `use` or `mix`, as groups of nodes. Internal to sim/scenario.

#include "base/table_reader.hpp"
#include "base/value.hpp"
#include "platforms/catalogue.hpp"

namespace convoy::sim {

// Puts groups of nodes into the tree in place of fleet.mix, and the nodes, server and shared links
// of the fleet that `fleet.use` names, where the scenario does not give its own.
void expand_fleet(base::Value& root, platforms::Catalogue& catalogue, base::Diagnostics& problems);

// Declares the keys of [fleet.mix].
void describe_mix(base::TableReader reader);

}  // namespace convoy::sim
