#pragma once

// The catalogue's files as text, built into the program (cmake/embed.cmake writes embedded.cpp).

#include <span>
#include <string_view>

namespace convoy::platforms {

struct EmbeddedFile {
  std::string_view path;  // "devices/jetson-nano.toml"
  std::string_view text;
};

std::span<const EmbeddedFile> embedded_files();

}  // namespace convoy::platforms
