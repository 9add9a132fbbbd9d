#include "sim/store/open_for_reading.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <string>
#include <string_view>

#include "sim/store/store.hpp"

namespace convoy::sim {
namespace {

// SQLite's URIs: what means something in one is written as its code.
std::string immutable_uri(const std::filesystem::path& file) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(file).string()) {
    constexpr std::string_view special = "%?#";
    uri += special.find(c) == std::string_view::npos
               ? std::string(1, c)
               : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri + "?immutable=1";
}

}  // namespace

SQLite::Database open_for_reading(const std::filesystem::path& file, int busy_ms) {
  const auto look = [](SQLite::Database database) {
    database.execAndGet("PRAGMA schema_version");  // the file is opened only now
    return database;
  };
  try {
    return look(SQLite::Database(file, SQLite::OPEN_READONLY, busy_ms));
  } catch (const SQLite::Exception& e) {
    // A store in WAL mode wants its index beside it, even to be read.
    const int code = e.getErrorCode();
    if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) throw;
    std::error_code none;
    if (!std::filesystem::exists(file, none)) throw;
  }
  // Without a log the file is all there is, and nobody is writing it.
  const std::filesystem::path log = file.string() + "-wal";
  std::error_code none;
  if (std::filesystem::exists(log, none) && std::filesystem::file_size(log, none) != 0) {
    throw StoreError(
        fmt::format("{}: the run goes on or was killed, and its log ({}) cannot be read where one "
                    "may not write; copy the folder to where you may, or let its owner end the run",
                    file.string(), log.filename().string()));
  }
  return look(SQLite::Database(immutable_uri(file), SQLite::OPEN_READONLY | SQLite::OPEN_URI));
}

}  // namespace convoy::sim
