#pragma once

// JSON as a configuration tree, so that a TableReader reads it as strictly as TOML, and back.

#include <string>
#include <string_view>

#include "base/diagnostics.hpp"
#include "base/value.hpp"

namespace convoy::base {

// A syntax error, what is no object, a null, a key that is there twice, or more levels than a
// hundred are reported, and give an empty table. Places in messages are the file alone.
Value parse_json(std::string_view text, const std::string& file, Diagnostics& problems);

// In the order of the tree, on several lines. A number that is not finite is written as a text:
// "nan", "inf", "-inf".
std::string to_json(const Value& value);

}  // namespace convoy::base
