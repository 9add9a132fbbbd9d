#pragma once

// Keys of one kind that stood in [schedule] itself before each kind had a table of its own. They
// are still read, with a warning. A fixed list: kinds that come later never had any.

#include <string>

#include "base/value.hpp"

namespace convoy::sim {

// "schedule.quorum" -> "schedule.cos2p.quorum"; any other path as it is.
std::string moved_key(const std::string& path);

void warn_of_flat_key(const std::string& path, const base::Location& where,
                      base::Diagnostics& problems);

// Moves those of a whole file to where they stand now. One that is given in both places is
// reported.
void move_flat_keys(base::Value& root, base::Diagnostics& problems);

}  // namespace convoy::sim
