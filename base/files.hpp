#pragma once

// Files that are written for a user.

#include <functional>
#include <iosfwd>
#include <string>

namespace convoy::base {

// That the file may be written: its folder is there and may be written to, it is no folder, and it
// is not there, or `overwrite` is given. Throws base::UserError.
void check_output(const std::string& path, bool overwrite);

// Whole or not at all: written beside, then put in its place. "-": to the terminal.
void write_output(const std::string& path, const std::string& text, bool overwrite);
// The same for what is too large to be held in memory: `write` fills the file; what it throws
// leaves none behind.
void write_output(const std::string& path, const std::function<void(std::ostream&)>& write,
                  bool overwrite);

// With those above it. Throws base::UserError where it cannot be.
void make_folder(const std::string& path);

}  // namespace convoy::base
