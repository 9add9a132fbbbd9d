#pragma once

// Expands `use` and `mix` of [fleet] into groups of nodes. Internal to sim/scenario.

#include "base/table_reader.hpp"
#include "base/value.hpp"
#include "platforms/catalogue.hpp"

namespace convoy::sim {

// Replaces fleet.mix by groups of nodes, and fills in the nodes, server and shared links of the
// fleet named by `fleet.use` where the scenario has none of its own.
void expand_fleet(base::Value& root, platforms::Catalogue& catalogue, base::Diagnostics& problems);

// Declares the keys of [fleet.mix].
void describe_mix(base::TableReader reader);

}  // namespace convoy::sim
