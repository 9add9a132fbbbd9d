#include "sensors/kernel_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace convoy::sensors {
namespace {

namespace fs = std::filesystem;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<std::string> read_kernel_file(const fs::path& path, std::size_t most) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text(most, '\0');
  std::size_t size = 0;
  bool good = true;
  while (size < most) {
    const ssize_t count = ::read(file, text.data() + size, most - size);
    if (count == 0) break;
    if (count > 0) {
      size += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      good = false;
      break;
    }
  }
  ::close(file);
  if (!good) return std::nullopt;
  text.resize(size);
  return text;
}

std::optional<double> read_kernel_number(const fs::path& path) {
  const std::optional<std::string> text = read_kernel_file(path);
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
  return take_number(rest);
}

std::string read_kernel_word(const fs::path& path) {
  const std::optional<std::string> text = read_kernel_file(path);
  if (!text) return "";
  const std::size_t begin = text->find_first_not_of(blanks);
  if (begin == std::string::npos) return "";
  return text->substr(begin, text->find_last_not_of(blanks) + 1 - begin);
}

std::vector<fs::path> folders_in(const fs::path& folder, std::string_view beginning) {
  std::vector<fs::path> folders;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code ignored;
    const std::string name = entry->path().filename().string();
    if (name.compare(0, beginning.size(), beginning) == 0 && entry->is_directory(ignored)) {
      folders.push_back(entry->path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::optional<double> take_number(std::string_view& text) {
  // from_chars also accepts "nan" and "inf"; our numbers begin with a digit.
  const std::size_t first = !text.empty() && text.front() == '-' ? 1 : 0;
  if (text.size() <= first || !is_digit(text[first])) return std::nullopt;
  double number = 0;
  const auto result =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (result.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()));
  return number;
}

bool take(std::string_view& text, std::string_view beginning) {
  if (text.substr(0, beginning.size()) != beginning) return false;
  text.remove_prefix(beginning.size());
  return true;
}

}  // namespace convoy::sensors
