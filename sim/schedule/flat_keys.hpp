#pragma once

// Old keys that stood in [schedule] before each kind had its own table. They are still read, with a
// warning. The list is fixed: later kinds never had such keys.

#include <string>

#include "base/value.hpp"

namespace convoy::sim {

// "schedule.quorum" -> "schedule.cos2p.quorum"; other paths stay unchanged.
std::string moved_key(const std::string& path);

void warn_of_flat_key(const std::string& path, const base::Location& where,
                      base::Diagnostics& problems);

// Moves old keys of a file to their new places. Reports a key given in both places.
void move_flat_keys(base::Value& root, base::Diagnostics& problems);

}  // namespace convoy::sim
