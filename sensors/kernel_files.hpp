#pragma once

// Reads the kernel's small text files (sysfs, procfs), and parses numbers in foreign text.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::sensors {

constexpr std::string_view blanks = " \t\r\n";  // around words and numbers in these files

// Reads at most the first `most` bytes of a file. Nothing if it cannot be opened or read: files of
// switched-off sensors can be opened, but reading gives EAGAIN or ENODATA.
[[nodiscard]] std::optional<std::string> read_kernel_file(const std::filesystem::path& path,
                                                          std::size_t most = 4096);

// The number at the beginning of a file; nothing if there is none.
[[nodiscard]] std::optional<double> read_kernel_number(const std::filesystem::path& path);

// The file's text without surrounding blanks; "" if it cannot be read.
[[nodiscard]] std::string read_kernel_word(const std::filesystem::path& path);

// The folders in `folder` (and links to folders) whose names have this prefix, sorted: the numbers
// in sysfs names change at each boot, their order less.
[[nodiscard]] std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder,
                                                            std::string_view beginning = "");

// Parses a decimal number ("12", "-0.5"; no exponent, no "nan") at the front of `text` and removes
// it. Without such a number, or if it exceeds a double, `text` stays unchanged.
[[nodiscard]] std::optional<double> take_number(std::string_view& text);

// Removes `beginning` from the front of `text`; false if `text` does not start with it.
bool take(std::string_view& text, std::string_view beginning);

}  // namespace convoy::sensors
