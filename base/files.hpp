#pragma once

// Files that a verb writes for its user.

#include <string>

namespace convoy::base {

// That the file may be written: its folder is there and may be written to, it is no folder, and it
// is not there, or `overwrite` is given. Throws base::UserError.
void check_output(const std::string& path, bool overwrite);

// Whole or not at all: written beside, then put in its place. "-": to the terminal.
void write_output(const std::string& path, const std::string& text, bool overwrite);

}  // namespace convoy::base
