#pragma once

// JSON as a configuration tree, so that a TableReader can check it as strictly as TOML.

#include <string>
#include <string_view>

#include "base/diagnostics.hpp"
#include "base/value.hpp"

namespace convoy::base {

// Syntax errors, a root that is no object, nulls, duplicate keys and more than a hundred levels are
// reported and give an empty table. Messages name the file, without lines.
Value parse_json(std::string_view text, const std::string& file, Diagnostics& problems);

// Writes several lines, keys in the order of the tree. Numbers that are not finite become strings:
// "nan", "inf", "-inf".
std::string to_json(const Value& value);

}  // namespace convoy::base
