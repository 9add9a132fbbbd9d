#include "sim/scenario/behaviour_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "platforms/traces/signal.hpp"

namespace convoy::sim {
namespace {

using base::above;
using base::at_least;
using base::TableReader;

constexpr double longest_s = 1e10;          // 300 years
constexpr double shortest_period_s = 1e-3;  // every change of a load is an event

void read_turns(TableReader& reader, BackgroundLoad& load) {
  const auto period = reader.maybe_number(
      {"period_s", "time from one busy phase to the next, s; needs busy_s", "always busy"},
      at_least(shortest_period_s).up_to(longest_s));
  const auto busy = reader.maybe_number({"busy_s", "length of a busy phase, s, below period_s"},
                                        above(0).up_to(longest_s));
  load.offset_s = reader.number({"offset_s", "virtual time of the first busy phase, s"},
                                at_least(0).up_to(longest_s), 0.0);
  load.period_s = period.value_or(0);
  load.busy_s = busy.value_or(0);
  if (!reader.has("busy_s")) reader.error("busy_s", "missing; period_s needs it");
  if (period && busy && *busy >= *period) reader.error("busy_s", "must be below period_s");
}

void check_use(TableReader& reader, const char* key, const Behaviour& behaviour) {
  if (!behaviour.trace) return;
  const std::string wrong = platforms::check(*behaviour.trace, behaviour.trace_use);
  if (!wrong.empty()) reader.error(key, wrong);
}

}  // namespace

BackgroundLoad read_load(TableReader reader) {
  BackgroundLoad load;
  load.share =
      reader.number({"share", "share of the resource that the load takes"}, at_least(0).below(1));
  if (reader.has("period_s")) read_turns(reader, load);
  reader.finish();
  return load;
}

BehaviourReader::TraceKey BehaviourReader::read_trace(TableReader& reader, Behaviour& behaviour) {
  TraceKey found;
  const base::Key key("trace", "CSV file of changes over time, or a table that says how to use it");
  for (const bool table : reader.either<base::Value::Table>("trace")) {
    if (table) {
      found = read_trace_table(reader.table(key), behaviour);
    } else {
      found.file = reader.text(key, "");
      behaviour.trace = trace(reader, "trace", found.file, {});
      check_use(reader, "trace", behaviour);
    }
  }
  return found;
}

BehaviourReader::TraceKey BehaviourReader::read_trace_table(TableReader table,
                                                            Behaviour& behaviour) {
  TraceKey found;
  found.file = table.text({"file", "the trace (CSV)"});
  platforms::TraceUse& use = behaviour.trace_use;
  constexpr auto times = at_least(0).up_to(longest_s);
  use.loop = table.flag({"loop", "repeat the trace after its end"}, false);
  use.start_s = table.number({"start_s", "virtual time at which the trace begins, s"}, times, 0.0);
  use.from_s = table.number({"from_s", "time skipped at the start of the trace, s"}, times, 0.0);
  use.to_s = table
                 .maybe_number({"to_s", "time in the trace at which it ends, s", "its last line"},
                               above(0).up_to(longest_s))
                 .value_or(use.to_s);
  use.phase_s =
      table.number({"phase_s", "time into the loop at which the trace begins, s"}, times, 0.0);
  found.phase_step_s = table.number(
      {"phase_step_s", "phase added for each further node of the group, s"}, times, 0.0);
  if (!use.loop && (use.phase_s > 0 || found.phase_step_s > 0)) {
    table.error(use.phase_s > 0 ? "phase_s" : "phase_step_s", "needs loop = true");
  }
  const auto only =
      table.words({"only", "columns that are used", "all"}, texts_of(platforms::column_words));
  table.finish();
  behaviour.trace = trace(table, "file", found.file, only);
  check_use(table, "file", behaviour);
  return found;
}

// Reads each file once; null if it cannot be read. `only`: columns used; empty: all.
std::shared_ptr<const platforms::Trace> BehaviourReader::trace(
    TableReader& reader, const char* key, const std::string& file,
    const std::vector<std::string>& only) {
  if (file.empty()) return nullptr;
  const std::filesystem::path path = folder_ / file;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    reader.error(key, fmt::format("there is no file {}", path.string()));
    return nullptr;
  }
  auto& known = traces_[{file, only}];
  if (known) return known;
  try {
    const std::string text = base::read_text_file(path.string());
    platforms::Trace read = platforms::parse_trace(text, path.string());
    for (const auto& [column, word] : platforms::column_words) {
      if (only.empty()) break;
      const bool wanted = std::find(only.begin(), only.end(), word) != only.end();
      if (wanted && !read.has(column)) {
        reader.error("only", fmt::format("{} has no column {}", path.string(), word));
      }
      if (!wanted) read.of(column).clear();
    }
    known = std::make_shared<const platforms::Trace>(std::move(read));
    hashes_ += base::content_hash(text) + "\n";
  } catch (const base::UserError& e) {
    reader.error(key, e.what());
  }
  return known;
}

void BehaviourReader::read(TableReader& reader, Behaviour& behaviour) {
  behaviour.slowdown = reader.number(slowdown_key, above(0).up_to(1e6), 1.0);
  behaviour.jitter =
      reader.number({"jitter", "sigma of a log-normal factor on the time of each compute"},
                    at_least(0).up_to(3), 0.0);
  if (reader.has("load")) {
    behaviour.load = read_load(reader.table({"load", "another user of the processor"}));
  }
  if (reader.has("traffic")) behaviour.traffic = read_load(reader.table(traffic_key));
  double free_from = 0;
  for (TableReader& outage : reader.tables({"outages", "fixed times at which the node is away"})) {
    Outage o;
    o.at_s = outage.number({"at_s", "virtual time at which the node leaves, s"},
                           at_least(0).up_to(longest_s));
    o.for_s =
        outage.number({"for_s", "time until the node comes back, s"}, above(0).up_to(longest_s));
    outage.finish();
    if (o.at_s < free_from) {
      outage.error("at_s",
                   fmt::format("begins before the outage above it ends, at {} s", free_from));
    }
    free_from = o.at_s + o.for_s;
    behaviour.outages.push_back(o);
  }
  if (reader.has("random_outages")) {
    TableReader random = reader.table({"random_outages", "drawn times at which the node is away"});
    RandomOutages r;
    r.mean_up_s = random.number({"mean_up_s", "mean time present, s"}, above(0).up_to(longest_s));
    r.mean_down_s =
        random.number({"mean_down_s", "mean time absent, s"}, above(0).up_to(longest_s));
    random.finish();
    behaviour.random_outages = r;
    if (!behaviour.outages.empty()) {
      reader.error("random_outages", "give either outages or random_outages");
    }
  }
  behaviour.lost_at_s =
      reader.maybe_number({"lost_at_s", "virtual time at which the node leaves for good, s"},
                          at_least(0).up_to(longest_s));
  behaviour.joins_at_s =
      reader.number({"joins_at_s", "virtual time at which the node first joins, s"},
                    at_least(0).up_to(longest_s), 0.0);
  if (behaviour.lost_at_s && *behaviour.lost_at_s <= behaviour.joins_at_s) {
    reader.error("lost_at_s", "comes before the node is there: joins_at_s is later");
  }
}

}  // namespace convoy::sim
