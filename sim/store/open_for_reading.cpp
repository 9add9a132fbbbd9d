#include "sim/store/open_for_reading.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "sim/store/store.hpp"

namespace convoy::sim {
namespace {

// Escapes characters with a meaning in SQLite's URIs.
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

// Identifies a file, to notice a replacement under the same name.
std::pair<dev_t, ino_t> identity(const std::filesystem::path& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return {};
  return {about.st_dev, about.st_ino};
}

bool may_write_beside(const std::filesystem::path& file) {
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  return ::access(folder.c_str(), W_OK) == 0 && ::access(file.c_str(), W_OK) == 0;
}

}  // namespace

SQLite::Database open_for_reading(const std::filesystem::path& file,
                                  std::chrono::milliseconds longest) {
  const auto look = [](SQLite::Database database) {
    database.exec("BEGIN");
    database.execAndGet("PRAGMA schema_version");  // SQLite opens the file only now
    return database;
  };
  constexpr std::chrono::milliseconds pause(25);
  const auto end = std::chrono::steady_clock::now() + longest;
  while (true) {
    const bool waits = std::chrono::steady_clock::now() < end;
    const auto before = identity(file);
    try {
      SQLite::Database database =
          look(SQLite::Database(file, SQLite::OPEN_READONLY, static_cast<int>(longest.count())));
      if (identity(file) == before) return database;
      // The file was replaced, and the log may belong to the new file.
      if (!waits) {
        throw StoreError(file.string() + ": other runs take its place all the time; try again");
      }
    } catch (const SQLite::Exception& e) {
      const int code = e.getErrorCode();
      // IOERR: the log was removed while its index was in use.
      const bool in_use = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_PROTOCOL ||
                          code == SQLITE_IOERR || identity(file) != before;
      // A store in WAL mode needs an index file beside it, even for reading.
      const bool no_index = code == SQLITE_CANTOPEN || code == SQLITE_READONLY;
      if (!no_index && (!in_use || !waits)) throw;
      if (no_index && ::access(file.c_str(), R_OK) != 0) throw;
      // If it could be created, another process is just creating or removing it.
      if (no_index && (!waits || !may_write_beside(file))) break;
    }
    std::this_thread::sleep_for(pause);
  }
  // Without a log the file is complete, and no process is writing it.
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
