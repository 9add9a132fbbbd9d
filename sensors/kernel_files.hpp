#pragma once

// The small text files by which the kernel tells of itself (sysfs, procfs), and numbers in text
// that was written by somebody else.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::sensors {

// No more than the first `most` bytes of a file. Nothing where it cannot be opened or read: the
// files of sensors that are switched off can be opened and then give EAGAIN or ENODATA.
[[nodiscard]] std::optional<std::string> read_kernel_file(const std::filesystem::path& path,
                                                          std::size_t most = 4096);

// The number that a file begins with; nothing where there is none.
[[nodiscard]] std::optional<double> read_kernel_number(const std::filesystem::path& path);

// The file's text without blanks at its ends; "" where it cannot be read.
[[nodiscard]] std::string read_kernel_word(const std::filesystem::path& path);

// The folders in `folder` (links to folders too) whose names begin so, in the order of their
// names: the numbers in sysfs change from one start of the machine to the next, their order less.
[[nodiscard]] std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder,
                                                            std::string_view beginning = "");

// Takes a decimal number ("12", "-0.5"; no exponent, no "nan") off the front of `text`. Where none
// stands there, or one that no double holds, `text` stays as it is.
[[nodiscard]] std::optional<double> take_number(std::string_view& text);

// Takes `beginning` off the front of `text`; false where it does not stand there.
bool take(std::string_view& text, std::string_view beginning);

}  // namespace convoy::sensors
