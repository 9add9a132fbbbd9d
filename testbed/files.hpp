#pragma once

// Files and folders for keys: with their final mode from creation, whole or not at all, never
// replacing anything by accident.

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/files.hpp"

namespace convoy::testbed {

using Existing = base::WholeFile::Existing;

constexpr mode_t private_file = 0600;
constexpr mode_t public_file = 0644;
constexpr mode_t private_folder = 0700;
constexpr mode_t public_folder = 0755;

// Writes a draft and renames it: the file is whole, or as before, and on the disk when this
// returns. Its mode is exactly `mode`, never wider, whatever the umask. UserError if writing fails,
// or if the name exists (Existing::keep; also a link).
void write_file(const std::filesystem::path& file, std::string_view content, mode_t mode,
                Existing existing = Existing::keep);

// The parent must exist, the folder must not: UserError otherwise.
void make_folder(const std::filesystem::path& folder, mode_t mode);

// Content of a regular file of at most `limit` bytes: UserError otherwise.
[[nodiscard]] std::string read_file(const std::filesystem::path& file, std::size_t limit);

// UserError if a private key's file is missing, is not regular, or is accessible to others than its
// owner (message: "chmod 600 FILE").
void check_key_file(const std::filesystem::path& file);

// Content of a private key's file, checked as above on the very file that is read. The caller must
// wipe the text after use.
[[nodiscard]] std::string read_key_file(const std::filesystem::path& file);

}  // namespace convoy::testbed
