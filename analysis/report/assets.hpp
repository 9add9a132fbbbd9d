#pragma once

// The files of the page, embedded at build time by cmake/embed_page.cmake. Internal to
// analysis/report.

#include <span>
#include <string_view>

namespace convoy::analysis {

// In pieces, in order: compilers limit the length of string literals.
std::span<const std::string_view> page_template();
std::span<const std::string_view> page_style();
std::span<const std::string_view> page_script();  // empty: built without charts

}  // namespace convoy::analysis
