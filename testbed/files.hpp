#pragma once

// Files and folders that hold keys: with their mode from the first byte, whole or not at all, and
// never in place of something that was there.

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace convoy::testbed {

enum class Existing { keep, replace };

constexpr mode_t private_file = 0600;
constexpr mode_t public_file = 0644;
constexpr mode_t private_folder = 0700;
constexpr mode_t public_folder = 0755;

// Writes beside and renames, so that the file is there whole or as it was; it reached the disk when
// this returns. Its mode is `mode` whatever the umask says, and at no moment more than that.
// UserError where it cannot be written, or is there already (Existing::keep; a link counts).
void write_file(const std::filesystem::path& file, std::string_view content, mode_t mode,
                Existing existing = Existing::keep);

// The folder above must be there, this one must not: UserError otherwise.
void make_folder(const std::filesystem::path& folder, mode_t mode);

// The content of a plain file of at most `limit` bytes: UserError otherwise.
[[nodiscard]] std::string read_file(const std::filesystem::path& file, std::size_t limit);

// UserError where a private key is missing, is no plain file, or can be read or written by others
// than its owner ("chmod 600 FILE").
void check_key_file(const std::filesystem::path& file);

// The content of a private key's file, under the same conditions, which hold for the very file that
// is read. Whoever calls this wipes the text after use.
[[nodiscard]] std::string read_key_file(const std::filesystem::path& file);

}  // namespace convoy::testbed
