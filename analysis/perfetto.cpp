#include "analysis/perfetto.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "analysis/pipeline.hpp"
#include "sim/store/foreign_store.hpp"
#include "sim/store/node_groups.hpp"

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
  const auto groups = sim::read_node_groups(database.getFilename(), database, true);
  sim::for_each_node(groups, [&](const sim::NodeRow& node, const sim::NodeEnd*) {
    const std::int64_t id = node.id;
    // Perfetto reserves process 0 for the kernel.
    writer.name("process_name", id + 1, 0, fmt::format("{} ({})", node.name, node.device));
    writer.put({{"ph", "M"},
                {"name", "process_sort_index"},
                {"pid", id + 1},
                {"tid", 0},
                {"args", {{"sort_index", id}}}});
    writer.name("thread_name", id + 1, compute, "compute");
    writer.name("thread_name", id + 1, send, "send");
    writer.name("thread_name", id + 1, receive, "receive");
  });
}

// A node that computes, sends or receives several things at once has a track for each of them:
// slices of one track must not overlap. The first has the number of its lane; further ones of
// computing follow those of the lanes.
class LaneTracks {
 public:
  explicit LaneTracks(Writer& writer) : writer_(writer) {}

  // Call in the order of the starts.
  int track_for(std::int64_t node, double start, double end, Lane lane = compute) {
    std::vector<double>& busy_until = of_node_[{node, lane}];
    const auto free =
        std::ranges::find_if(busy_until, [&](double until) { return until <= start; });
    const auto number = static_cast<int>(free - busy_until.begin());
    const int after = lane == compute ? static_cast<int>(receive) : most_computes * lane;
    const int track = number == 0 ? static_cast<int>(lane) : after + number;
    if (free != busy_until.end()) {
      *free = end;
      return track;
    }
    busy_until.push_back(end);
    if (number > 0) {
      const char* what = lane == compute ? "compute" : lane == send ? "send" : "receive";
      writer_.name("thread_name", node + 1, track, fmt::format("{} {}", what, number + 1));
    }
    return track;
  }

 private:
  static constexpr int most_computes = 1'000'000;  // at once

  Writer& writer_;
  std::map<std::pair<std::int64_t, Lane>, std::vector<double>> of_node_;
};

// Process and track of a slice.
struct Place {
  std::int64_t pid = 0;
  int tid = 0;
};
// Task, number, pass, lane.
using Places = std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, Lane>, Place>;

// Slices of one track must not overlap, but a server sends to many nodes at once: its transfers
// appear only on the workers' tracks.
void write_activities(SQLite::Database& database, Writer& writer, Places* places) {
  SQLite::Statement rows(
      database,
      "SELECT task, label, node, peer, start_s, end_s, bytes, flops, cause, "
      "kind, ready_s, activity, iteration FROM activity WHERE start_s IS NOT NULL "
      "ORDER BY start_s, node, task, activity, iteration");
  LaneTracks tracks(writer);
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
    if (const auto label = sim::read_pipeline_label(rows.getColumn(1).getString()); label) {
      event["args"]["stage"] = label->stage + 1;
      if (label->microbatch >= 0) event["args"]["microbatch"] = label->microbatch;
    }
    const std::string cause = rows.getColumn(8).getString();
    if (!cause.empty()) event["args"]["given_up"] = cause;
    const auto put_on = [&](std::int64_t pid, int track, Lane lane = compute) {
      event["pid"] = pid + 1;
      event["tid"] = track;
      writer.put(event);
      if (places == nullptr) return;
      (*places)[{rows.getColumn(0).getInt64(), rows.getColumn(11).getInt64(),
                 rows.getColumn(12).getInt64(), lane}] = {pid + 1, track};
    };
    sim::check_number(database.getFilename(), "activity", "node", node, 0, most_nodes);
    if (!transfer) {
      put_on(node, tracks.track_for(node, start, end));
      continue;
    }
    const std::int64_t peer = rows.getColumn(3).getInt64();
    sim::check_number(database.getFilename(), "activity", "node", peer, 0, most_nodes);
    if (node != 0) put_on(node, tracks.track_for(node, start, end, send), send);
    if (peer != 0) put_on(peer, tracks.track_for(peer, start, end, receive), receive);
  }
}

// A pipeline's arrows: from the compute that made something through its sending and its receiving
// to the compute that takes it. A flow binds to the slice of its track that is open at its time; so
// each point is in the middle of its slice.
void write_flows(const RunTables& run, const Places& places, Writer& writer) {
  struct Point {
    Place place;
    double time_s = 0;
  };
  std::int64_t id = 0;
  for (const PipelineFlow& flow : pipeline_flows(run)) {
    std::vector<Point> points;
    const auto add = [&](std::int32_t index, Lane lane) {
      if (index < 0) return;
      const Activity& a = run.activities[static_cast<std::size_t>(index)];
      const auto place = places.find({a.task, a.number, a.iteration, lane});
      if (place == places.end() || a.end_s <= a.start_s) return;
      points.push_back({place->second, (a.start_s + a.end_s) / 2});
    };
    const Activity& moved = run.activities[static_cast<std::size_t>(flow.transfer)];
    add(flow.from, compute);
    add(flow.transfer, send);
    add(flow.transfer, receive);
    add(flow.to, compute);
    if (points.size() < 2) continue;
    ++id;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const bool last = i + 1 == points.size();
      Json event = {{"ph", i == 0 ? "s"
                           : last ? "f"
                                  : "t"},
                    {"name", run.labels[moved.label]},
                    {"cat", "flow"},
                    {"id", id},
                    {"pid", points[i].place.pid},
                    {"tid", points[i].place.tid},
                    {"ts", points[i].time_s * us}};
      if (last) event["bp"] = "e";
      writer.put(event);
    }
  }
}

void write_stages(const RunTables& run, Writer& writer) {
  for (const PipelineDevice& device : read_pipeline(run).devices) {
    if (device.stage < 0) continue;
    writer.put({{"ph", "M"},
                {"name", "process_labels"},
                {"pid", device.node + 1},
                {"tid", 0},
                {"args", {{"labels", fmt::format("stage {}", device.stage + 1)}}}});
  }
}

void write_memory(const RunTables& run, Writer& writer) {
  for (const sim::MemoryRow& row : run.memory) {
    writer.put({{"ph", "C"},
                {"pid", row.node + 1},
                {"ts", row.time_s * us},
                {"name", "memory"},
                {"args", {{"bytes", row.bytes}}}});
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

void write(sim::ForeignStore& store, const std::filesystem::path& folder, std::ostream& out) {
  SQLite::Database& database = store.database();
  const sim::StoredRun stored = store.run();
  const bool activities = database.execAndGet("SELECT COUNT(*) FROM activity").getInt64() > 0;
  if (!activities) {
    throw base::UserError(
        fmt::format("{}: holds no activities to show; run it with "
                    "output.record = \"activity\"",
                    folder.string()));
  }
  Writer writer(out);
  write_nodes(database, writer);
  const RunTables run = read_tables(folder, store);
  const bool pipeline = has_pipeline(run);
  Places places;
  write_activities(database, writer, pipeline ? &places : nullptr);
  if (pipeline) {
    write_stages(run, writer);
    write_flows(run, places, writer);
    write_memory(run, writer);
  }
  write_versions(database, writer);
  writer.end(fmt::format("{} with {}", stored.run.name, stored.run.schedule));
}

}  // namespace

void export_perfetto(const std::filesystem::path& folder, std::ostream& out) {
  sim::read_store(folder, [&](sim::ForeignStore& store) { write(store, folder, out); });
}

}  // namespace convoy::analysis
