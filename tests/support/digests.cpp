#include "tests/support/digests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "tests/support/files.hpp"

namespace convoy::test {

std::string exact_rows(SQLite::Database& database, const std::string& sql) {
  std::string text;
  SQLite::Statement rows(database, sql);
  while (rows.executeStep()) {
    for (int i = 0; i < rows.getColumnCount(); ++i) {
      const SQLite::Column column = rows.getColumn(i);
      text += column.isNull()    ? "null"
              : column.isFloat() ? fmt::format("{:a}", column.getDouble())
                                 : column.getString();
      text += i + 1 < rows.getColumnCount() ? '|' : '\n';
    }
  }
  return text;
}

std::string weights_of(const std::filesystem::path& folder) {
  const std::string file = read_file(folder / "model.safetensors");
  std::uint64_t header = 0;
  if (file.size() >= sizeof header) std::memcpy(&header, file.data(), sizeof header);
  return header == 0 ? "" : file.substr(std::min<std::size_t>(file.size(), sizeof header + header));
}

std::string library(const std::string& name) {
  static const std::string said = convoy("--version").out;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name + " ")) continue;
    return line.substr(line.find_first_not_of(' ', name.size()));
  }
  return "";
}

std::string kind_of_cpu() {
  const std::set<std::string> fields = {"vendor_id", "cpu family", "model", "cache size"};
  std::ifstream in("/proc/cpuinfo");
  std::string kind;
  for (std::string line; std::getline(in, line) && !line.empty();) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string name = line.substr(0, line.find_last_not_of("\t ", colon - 1) + 1);
    const std::string value = line.substr(std::min(line.size(), colon + 2));
    if (fields.contains(name)) kind += value + " ";
    if (name != "flags") continue;
    std::istringstream words(value);
    std::set<std::string> used;
    for (std::string word; words >> word;) {
      const bool vector = word.find("avx") != std::string::npos || word.starts_with("sse") ||
                          word.starts_with("ssse") || word.starts_with("amx") || word == "fma" ||
                          word == "f16c";
      if (vector) used.insert(word);
    }
    kind += base::content_hash(fmt::format("{}", fmt::join(used, " "))).substr(0, 8);
  }
  for (const char* variable :
       {"OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"}) {
    if (const char* value = std::getenv(variable)) kind += fmt::format(" {}={}", variable, value);
  }
  const std::string torch = library("libtorch");
  if (torch != "1.13.0") kind += " LibTorch " + torch;
  return kind;
}

}  // namespace convoy::test
