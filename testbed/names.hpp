#pragma once

// Names of nodes, and text that came from a peer. A name goes into paths, certificates, TOML files
// and log lines, so that only what is harmless in all of them is a name.

#include <cstddef>
#include <string>
#include <string_view>

namespace convoy::testbed {

constexpr std::size_t longest_name = 64;  // what a certificate's common name may hold

// The coordinator's own name; no node may have it.
constexpr std::string_view coordinator_name = "coordinator";

// 1 to 64 ASCII letters, digits, '-', '_' and '.', the first of them no '.' or '-'.
[[nodiscard]] bool is_clean_name(std::string_view name);

// The rule above, to be put after "expected".
[[nodiscard]] std::string clean_name_rule();

// At most 200 printable ASCII characters of a text that nobody vouches for; the others, control
// characters among them, become '?'. What was cut off is marked by "..." within the 200.
[[nodiscard]] std::string clean_for_log(std::string_view text);

}  // namespace convoy::testbed
