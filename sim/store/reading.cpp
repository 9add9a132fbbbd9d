#include "sim/store/reading.hpp"

#include <fmt/format.h>

namespace convoy::sim {
namespace {

RunStatus status_of(const std::string& name) {
  for (const RunStatus s : {RunStatus::running, RunStatus::done, RunStatus::failed}) {
    if (name_of(s) == name) return s;
  }
  return RunStatus::stopped;
}

}  // namespace

// Checks that a file is a run store of this version.
void check_store(const std::filesystem::path& path, SQLite::Database& database) {
  try {
    const int version = database.execAndGet("PRAGMA user_version").getInt();
    const bool ours = database.tableExists("run") && database.tableExists("journal");
    if (!ours) throw StoreError(path.string() + ": is no run store of Convoy");
    if (version > store_version) {
      throw StoreError(
          fmt::format("{}: was written by a newer Convoy (store version {}, this one "
                      "reads {}); update",
                      path.string(), version, store_version));
    }
    if (version < store_version) {
      throw StoreError(
          fmt::format("{}: was written by an older Convoy (store version {}, this "
                      "one reads {}); run the scenario again",
                      path.string(), version, store_version));
    }
  } catch (const SQLite::Exception& e) {
    throw StoreError(
        fmt::format("{}: is no run store, or a damaged one ({})", path.string(), e.what()));
  }
}

StoredRun read_run(SQLite::Database& database) {
  SQLite::Statement query(database,
                          "SELECT name, schedule, seed, scenario, scenario_hash, version, world, "
                          "status, cause FROM run");
  if (!query.executeStep()) throw StoreError(database.getFilename() + ": holds no run");
  StoredRun stored;
  stored.run = {query.getColumn(0).getString(),
                query.getColumn(1).getString(),
                static_cast<std::uint64_t>(query.getColumn(2).getInt64()),
                query.getColumn(3).getString(),
                query.getColumn(4).getString(),
                query.getColumn(5).getString(),
                query.getColumn(6).getString()};
  stored.status = status_of(query.getColumn(7).getString());
  stored.cause = query.getColumn(8).getString();
  return stored;
}

std::vector<JournalRow> read_journal(SQLite::Database& database) {
  std::vector<JournalRow> rows;
  SQLite::Statement query(database,
                          "SELECT sequence, time_s, entry, kind, node, task, detail FROM journal "
                          "ORDER BY sequence");
  while (query.executeStep()) {
    rows.push_back({query.getColumn(0).getInt64(), query.getColumn(1).getDouble(),
                    query.getColumn(2).getString() == "order", query.getColumn(3).getString(),
                    query.getColumn(4).getInt64(), query.getColumn(5).getInt64(),
                    query.getColumn(6).getString()});
  }
  return rows;
}

std::filesystem::path store_path(const std::filesystem::path& folder) {
  return folder / "run.sqlite";
}

std::string name_of(RunStatus status) {
  switch (status) {
    case RunStatus::running:
      return "running";
    case RunStatus::done:
      return "done";
    case RunStatus::failed:
      return "failed";
    case RunStatus::stopped:
      return "stopped";
  }
  return "";
}

StoredRun read_run(const std::filesystem::path& folder) {
  const std::filesystem::path path = store_path(folder);
  if (!std::filesystem::exists(path)) {
    throw StoreError(fmt::format("{}: there is no run here (no run.sqlite)", folder.string()));
  }
  try {
    SQLite::Database database(path, SQLite::OPEN_READONLY);
    check_store(path, database);
    return read_run(database);
  } catch (const SQLite::Exception& e) {
    throw StoreError(fmt::format("{}: cannot be read ({})", path.string(), e.what()));
  }
}

}  // namespace convoy::sim
