#include "analysis/perfetto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/store/foreign_store.hpp"

namespace convoy::analysis {
namespace {

using Json = nlohmann::ordered_json;

enum Lane { compute = 1, send = 2, receive = 3 };

class Writer {
 public:
  explicit Writer(std::ostream& out) : out_(out) { out_ << "{\"traceEvents\":[\n"; }

  void put(const Json& event) {
    out_ << (first_ ? "" : ",\n") << event.dump(-1, ' ', false, Json::error_handler_t::replace);
    first_ = false;
  }

  void name(const char* what, std::int64_t pid, int tid, const std::string& text) {
    put({{"ph", "M"}, {"name", what}, {"pid", pid}, {"tid", tid}, {"args", {{"name", text}}}});
  }

  void end(const std::string& title) {
    out_ << "\n],\"displayTimeUnit\":\"ms\",\"otherData\":"
         << Json({{"run", title}}).dump(-1, ' ', false, Json::error_handler_t::replace) << "}\n";
  }

 private:
  std::ostream& out_;
  bool first_ = true;
};

constexpr std::int64_t most_nodes = std::numeric_limits<std::int32_t>::max();
constexpr double us = 1e6;  // the format counts microseconds

void write_nodes(SQLite::Database& database, Writer& writer) {
  SQLite::Statement nodes(database, "SELECT id, name, device FROM node ORDER BY id");
  while (nodes.executeStep()) {
    const std::int64_t id = nodes.getColumn(0).getInt64();
    sim::check_number(database.getFilename(), "node", "id", id, 0, most_nodes);
    // Perfetto reserves process 0 for the kernel.
    writer.name(
        "process_name", id + 1, 0,
        fmt::format("{} ({})", nodes.getColumn(1).getString(), nodes.getColumn(2).getString()));
    writer.put({{"ph", "M"},
                {"name", "process_sort_index"},
                {"pid", id + 1},
                {"tid", 0},
                {"args", {{"sort_index", id}}}});
    writer.name("thread_name", id + 1, compute, "compute");
    writer.name("thread_name", id + 1, send, "send");
    writer.name("thread_name", id + 1, receive, "receive");
  }
}

// A node that computes several tasks at once has a track for each of them: slices of one track must
// not overlap. The first has the number of its lane, the others follow those of the lanes.
class ComputeTracks {
 public:
  explicit ComputeTracks(Writer& writer) : writer_(writer) {}

  // Call in the order of the starts.
  int track_for(std::int64_t node, double start, double end) {
    std::vector<double>& busy_until = of_node_[node];
    const auto free =
        std::ranges::find_if(busy_until, [&](double until) { return until <= start; });
    const auto number = static_cast<int>(free - busy_until.begin());
    const int track = number == 0 ? static_cast<int>(compute) : static_cast<int>(receive) + number;
    if (free != busy_until.end()) {
      *free = end;
      return track;
    }
    busy_until.push_back(end);
    if (number > 0) {
      writer_.name("thread_name", node + 1, track, fmt::format("compute {}", number + 1));
    }
    return track;
  }

 private:
  Writer& writer_;
  std::unordered_map<std::int64_t, std::vector<double>> of_node_;
};

// Slices of one track must not overlap, but a server sends to many nodes at once: its transfers
// appear only on the workers' tracks.
void write_activities(SQLite::Database& database, Writer& writer) {
  SQLite::Statement rows(database,
                         "SELECT task, label, node, peer, start_s, end_s, bytes, flops, cause, "
                         "kind, ready_s FROM activity WHERE start_s IS NOT NULL "
                         "ORDER BY start_s, node, task, activity, iteration");
  ComputeTracks tracks(writer);
  while (rows.executeStep()) {
    const std::int64_t node = rows.getColumn(2).getInt64();
    const bool transfer = rows.getColumn(9).getString() == "transfer";
    const double start = rows.getColumn(4).getDouble();
    const double end = rows.getColumn(5).getDouble();
    Json event = {{"ph", "X"},
                  {"name", rows.getColumn(1).getString()},
                  {"cat", transfer ? "transfer" : "compute"},
                  {"ts", start * us},
                  {"dur", (end - start) * us},
                  {"args",
                   {{"task", rows.getColumn(0).getInt64()},
                    {"waited_s", start - rows.getColumn(10).getDouble()}}}};
    if (transfer) event["args"]["bytes"] = rows.getColumn(6).getDouble();
    if (!transfer) event["args"]["flops"] = rows.getColumn(7).getDouble();
    const std::string cause = rows.getColumn(8).getString();
    if (!cause.empty()) event["args"]["given_up"] = cause;
    const auto put_on = [&](std::int64_t pid, int track) {
      sim::check_number(database.getFilename(), "activity", "node", pid, 0, most_nodes);
      event["pid"] = pid + 1;
      event["tid"] = track;
      writer.put(event);
    };
    if (!transfer) {
      sim::check_number(database.getFilename(), "activity", "node", node, 0, most_nodes);
      put_on(node, tracks.track_for(node, start, end));
      continue;
    }
    const std::int64_t peer = rows.getColumn(3).getInt64();
    if (node != 0) put_on(node, send);
    if (peer != 0) put_on(peer, receive);
  }
}

void write_versions(SQLite::Database& database, Writer& writer) {
  SQLite::Statement rows(database,
                         "SELECT version, end_s, updates, staleness_mean FROM aggregation "
                         "ORDER BY version");
  while (rows.executeStep()) {
    const double time = rows.getColumn(1).getDouble() * us;
    writer.put({{"ph", "i"},
                {"s", "g"},
                {"pid", 1},
                {"tid", static_cast<int>(compute)},
                {"ts", time},
                {"name", fmt::format("version {}", rows.getColumn(0).getInt64())}});
    writer.put({{"ph", "C"},
                {"pid", 1},
                {"ts", time},
                {"name", "updates"},
                {"args", {{"updates", rows.getColumn(2).getInt64()}}}});
    writer.put({{"ph", "C"},
                {"pid", 1},
                {"ts", time},
                {"name", "mean staleness"},
                {"args", {{"versions", rows.getColumn(3).getDouble()}}}});
  }
}

void write(SQLite::Database& database, const std::filesystem::path& folder,
           const sim::StoredRun& stored, std::ostream& out) {
  const bool activities = database.execAndGet("SELECT COUNT(*) FROM activity").getInt64() > 0;
  if (!activities) {
    throw base::UserError(
        fmt::format("{}: holds no activities to show; run it with "
                    "output.record = \"activity\"",
                    folder.string()));
  }
  Writer writer(out);
  write_nodes(database, writer);
  write_activities(database, writer);
  write_versions(database, writer);
  writer.end(fmt::format("{} with {}", stored.run.name, stored.run.schedule));
}

}  // namespace

void export_perfetto(const std::filesystem::path& folder, std::ostream& out) {
  sim::read_store(
      folder, [&](sim::ForeignStore& store) { write(store.database(), folder, store.run(), out); });
}

}  // namespace convoy::analysis
