#pragma once

// Names of nodes, and text from peers. Names occur in paths, certificates, TOML files and log
// lines, so only characters harmless in all of these are allowed.

#include <cstddef>
#include <string>
#include <string_view>

namespace convoy::testbed {

constexpr std::size_t longest_name = 64;  // limit of a certificate's common name

// The coordinator's name; not allowed for nodes.
constexpr std::string_view coordinator_name = "coordinator";

// 1 to 64 ASCII letters, digits, '-', '_' and '.', not beginning with '.' or '-'.
[[nodiscard]] bool is_clean_name(std::string_view name);

// The rule above, in words that follow "expected".
[[nodiscard]] std::string clean_name_rule();

// At most 200 printable ASCII characters of an untrusted text; others, such as control characters,
// become '?'. A longer text ends in "..." within the 200.
[[nodiscard]] std::string clean_for_log(std::string_view text);

}  // namespace convoy::testbed
