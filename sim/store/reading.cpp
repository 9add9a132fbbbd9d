#include "sim/store/reading.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/store/foreign_store.hpp"
#include "sim/store/node_groups.hpp"
#include "sim/store/sql.hpp"
#include "sim/store/store_file.hpp"

namespace convoy::sim {
namespace {

constexpr std::int64_t most_samples = 10'000'001;  // per node; a node's highest claim, plus one

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
    check_tables(path, database);
  } catch (const SQLite::Exception& e) {
    refuse_file(path, e);
  }
}

StoredRun read_run(SQLite::Database& database) {
  SQLite::Statement query(
      database, fmt::format("SELECT {}, status, cause, (SELECT value FROM host WHERE key = "
                            "'course') FROM run",
                            column_names<RunRow>()));
  if (!query.executeStep()) throw StoreError(database.getFilename() + ": holds no run");
  constexpr int rest = column_count<RunRow>;
  StoredRun stored;
  stored.run = read_row<RunRow>(query);
  stored.status = status_of(query.getColumn(rest).getString());
  stored.cause = query.getColumn(rest + 1).getString();
  stored.run.course = query.getColumn(rest + 2).getString();
  return stored;
}

std::vector<JournalRow> read_journal(SQLite::Database& database) {
  return read_rows<JournalRow>(database, "ORDER BY sequence");
}

std::filesystem::path store_path(const std::filesystem::path& folder) {
  return folder / "run.sqlite";
}

std::filesystem::path store_under_way(const std::filesystem::path& folder) {
  const std::filesystem::path resumed = beside(store_path(folder));
  return std::filesystem::exists(resumed) ? resumed : store_path(folder);
}

std::filesystem::path existing_store(const std::filesystem::path& folder) {
  std::filesystem::path path = store_path(folder);
  if (std::filesystem::exists(path)) return path;
  throw StoreError(fmt::format("{}: there is no run here (no run.sqlite)", folder.string()));
}

StoredRun read_run(const std::filesystem::path& folder) {
  return read_run_file(existing_store(folder));
}

StoredRun read_run_file(const std::filesystem::path& path) {
  return read_store_file(path, [](ForeignStore& store) { return store.run(); });
}

Recording read_recording(const std::filesystem::path& folder) {
  const std::filesystem::path path = existing_store(folder);
  return read_store_file(path, [&](ForeignStore& store) {
    SQLite::Database& database = store.database();
    Recording recording;
    const StoredRun stored = store.run();
    recording.run = stored.run;
    recording.status = stored.status;
    for_each_node(read_node_groups(path, database), [&](NodeRow row, const NodeEnd*) {
      check_number(path, Table<NodeRow>::name, "samples", row.samples, 0, most_samples);
      recording.nodes.push_back(std::move(row));
    });
    const auto count = static_cast<std::int64_t>(recording.nodes.size());
    SQLite::Statement activities(
        database,
        "SELECT task, activity, iteration, node, peer, real, end_s, cause FROM activity WHERE "
        "real = 1 OR predicted_s IS NOT NULL");
    while (activities.executeStep()) {
      Recording::Activity a;
      a.task = activities.getColumn(0).getInt64();
      a.activity = activities.getColumn(1).getInt64();
      a.iteration = activities.getColumn(2).getInt64();
      a.node = activities.getColumn(3).getInt64();
      const bool down = a.node == 0 && !activities.getColumn(4).isNull();
      if (down) a.node = activities.getColumn(4).getInt64();
      a.real = activities.getColumn(5).getInt() != 0;
      a.end_s = activities.getColumn(6).getDouble();
      a.cause = activities.getColumn(7).getString();
      check_number(path, "activity", "node", a.node, 0, count);
      check_time(path, "activity", a.end_s);
      recording.activities.push_back(std::move(a));
    }
    recording.presence = read_rows<PresenceRow>(database, "ORDER BY rowid");
    for (const PresenceRow& row : recording.presence) {
      check_number(path, "presence", "node", row.node, 0, count);
      check_time(path, "presence", row.time_s);
    }
    recording.end_s =
        database.execAndGet("SELECT COALESCE(MAX(time_s), 0) FROM journal").getDouble();
    const SQLite::Column end = database.execAndGet("SELECT virtual_time_s FROM run");
    if (!end.isNull()) recording.end_s = std::max(recording.end_s, end.getDouble());
    check_time(path, "run", recording.end_s);
    return recording;
  });
}

}  // namespace convoy::sim
