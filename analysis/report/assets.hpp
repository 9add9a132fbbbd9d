#pragma once

// The files that the page is made of, as they were at build time. Internal to analysis/report; made
// by cmake/embed_page.cmake.

#include <span>
#include <string_view>

namespace convoy::analysis {

// In pieces, in their order: no compiler likes a string of a million characters.
std::span<const std::string_view> page_template();
std::span<const std::string_view> page_style();
std::span<const std::string_view> page_script();  // empty: built without

}  // namespace convoy::analysis
