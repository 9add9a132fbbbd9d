#pragma once

// Writes the keys of a file as a JSON Schema (draft 2020-12), by which editors check and complete.

#include <string>
#include <vector>

#include "base/key_catalogue.hpp"

namespace convoy::cli {

std::string key_schema(const std::vector<base::KeyRow>& keys);

}  // namespace convoy::cli
