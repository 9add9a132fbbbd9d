#pragma once

// JSON for stdout, which may be a terminal.

#include <string>

#include "base/text.hpp"

namespace convoy::cli {

// Indented by two. What is not UTF-8 is replaced, and what is not printable as JSON's escape of it.
template <class Json>
std::string terminal_json(const Json& json) {
  return base::escaped_json(json.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace convoy::cli
