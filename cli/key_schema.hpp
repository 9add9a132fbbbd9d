#pragma once

// The keys of a file as a JSON Schema (draft 2020-12), which editors check and complete files by.

#include <string>
#include <vector>

#include "base/key_catalogue.hpp"

namespace convoy::cli {

std::string key_schema(const std::vector<base::KeyRow>& keys);

}  // namespace convoy::cli
