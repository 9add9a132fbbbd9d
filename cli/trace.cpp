// convoy trace: import others' time series, look at one, make one up.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "analysis/store_trace.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/plot.hpp"
#include "cli/table.hpp"
#include "cli/terminal_json.hpp"
#include "cli/verbs.hpp"
#include "platforms/traces/generate.hpp"
#include "platforms/traces/import.hpp"
#include "platforms/traces/signal.hpp"

namespace convoy::cli {
namespace {

using platforms::Column;
using platforms::Trace;

struct TraceArguments {
  platforms::ImportOptions import;
  std::string node_name;
  std::string output;
  bool overwrite = false;
  bool json = false;
  std::string file;
  std::uint64_t seed = 1;
  int node = 0;
  platforms::Sessions sessions;
  platforms::SharedOutages outages;
  platforms::Throttling throttling;
};

void write(const Trace& trace, const TraceArguments& arguments) {
  base::write_output(arguments.output, platforms::to_csv(trace), arguments.overwrite);
  for (const std::string& remark : trace.remarks) {
    fmt::print(stderr, "convoy: {}\n", base::escaped(remark));
  }
  if (arguments.output == "-") return;
  fmt::print("{}: {} rows over {}; convoy trace show {}\n", arguments.output, trace.time.size(),
             base::human_seconds(trace.length()), arguments.output);
}

int import(const TraceArguments& arguments) {
  const std::string& first = arguments.import.files.front();
  constexpr std::string_view of_run = "run:";
  if (first.starts_with(of_run)) {
    if (arguments.import.files.size() > 1) throw base::UserError("give one run: at a time");
    write(analysis::trace_of_node(first.substr(of_run.size()), arguments.node_name), arguments);
    return ExitStatus::done;
  }
  if (arguments.import.format.empty()) {
    throw base::UserError("--format is required: one of " +
                          base::list_of(platforms::import_formats(), "or"));
  }
  write(platforms::import_trace(arguments.import), arguments);
  return ExitStatus::done;
}

// --- show ---------------------------------------------------------------------------------------

struct Statistics {
  double least = 0;
  double mean = 0;  // over time
  double median = 0;
  double most = 0;
  std::int64_t changes = 0;
};

Statistics statistics_of(const Trace& trace, Column column) {
  const std::vector<double>& v = trace.of(column);
  Statistics s;
  const auto [least, most] = std::minmax_element(v.begin(), v.end());
  s.least = *least;
  s.most = *most;
  std::vector<std::pair<double, double>> weighted;  // value, for how long
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double held = i + 1 < v.size() ? trace.time[i + 1] - trace.time[i] : 0;
    weighted.emplace_back(v[i], held);
    sum += v[i] * held;
    if (i > 0 && v[i] != v[i - 1]) ++s.changes;
  }
  const double length = trace.length();
  s.mean = length > 0 ? sum / length : v.front();
  std::sort(weighted.begin(), weighted.end());
  s.median = weighted.back().first;
  double passed = 0;
  for (const auto& [value, held] : weighted) {
    passed += held;
    if (passed >= length / 2) {
      s.median = value;
      break;
    }
  }
  return s;
}

std::string human(Column column, double value) {
  switch (column) {
    case Column::up_bps:
    case Column::down_bps:
      return fmt::format("{:.3g} Mbit/s", value / 1e6);
    case Column::latency_s:
      return fmt::format("{:.3g} ms", 1e3 * value);
    case Column::power_w:
      return fmt::format("{:.2f} W", value);
    case Column::temperature_c:
      return fmt::format("{:.1f} C", value);
    case Column::memory_free_bytes:
      return base::human_bytes(value);
    case Column::available:
      return fmt::format("{:.0f} %", 100 * value);
    case Column::speed:
      return fmt::format("{:.3g}x", value);
  }
  return "";
}

// Means over as many intervals as columns fit.
std::string picture(const std::shared_ptr<const Trace>& trace, Column column) {
  constexpr int width = 64;
  const platforms::Signal signal(trace, column, {}, 0);
  Series series{std::string(name_of(platforms::column_words, column)), {}};
  for (int i = 0; i < width; ++i) {
    const double from = trace->length() * i / width;
    const double to = trace->length() * (i + 1) / width;
    series.points.emplace_back(
        from, to > from ? signal.integral(from, to) / (to - from) : signal.at(from).value);
  }
  return plot_steps(series, trace->length(), [&](double v) { return human(column, v); });
}

int show(const TraceArguments& arguments) {
  const auto trace = std::make_shared<const Trace>(platforms::read_trace(arguments.file));
  if (arguments.json) {
    nlohmann::ordered_json json = {{"file", arguments.file},
                                   {"synthetic", trace->synthetic},
                                   {"rows", trace->time.size()},
                                   {"length_s", trace->length()}};
    for (const auto& [column, word] : platforms::column_words) {
      if (!trace->has(column)) continue;
      const Statistics s = statistics_of(*trace, column);
      json["columns"][word] = {{"min", s.least},
                               {"mean", s.mean},
                               {"median", s.median},
                               {"max", s.most},
                               {"changes", s.changes}};
    }
    fmt::print("{}\n", terminal_json(json));
    return ExitStatus::done;
  }
  fmt::print("{}{}: {} rows over {} ({:.3f} s)\n\n", arguments.file,
             trace->synthetic ? " (synthetic)" : "", trace->time.size(),
             base::human_seconds(trace->length()), trace->length());
  Table table({"<column", "lowest", "mean over time", "median", "highest", "changes", "<drives"});
  for (const auto& [column, word] : platforms::column_words) {
    if (!trace->has(column)) continue;
    const Statistics s = statistics_of(*trace, column);
    table.add({word, human(column, s.least), human(column, s.mean), human(column, s.median),
               human(column, s.most), fmt::format("{}", s.changes), platforms::driven_by(column)});
  }
  fmt::print("{}", table.str());
  for (const auto& column : platforms::column_words) {
    if (trace->has(column.value)) fmt::print("\n{}", picture(trace, column.value));
  }
  return ExitStatus::done;
}

// --- the command line ---------------------------------------------------------------------------

void add_output(CLI::App& verb, TraceArguments& arguments) {
  verb.add_option("-o,--output", arguments.output, "Trace file to write (CSV); - is stdout")
      ->required();
  verb.add_flag("--overwrite", arguments.overwrite, "Replace an existing file");
}

using Arguments = std::shared_ptr<TraceArguments>;

void add_import(CLI::App& trace, const Arguments& arguments, int& status) {
  auto* verb = trace.add_subcommand("import", "Convert another program's time series");
  verb->add_option("files", arguments->import.files,
                   "Files, or run:FOLDER for a node of a recorded run")
      ->required();
  verb->add_option("--format", arguments->import.format,
                   base::list_of(platforms::import_formats(), "or"));
  verb->add_option("--bin-s", arguments->import.bin_s,
                   "mahimahi: width of the bins over which rates are means, s (0.1)")
      ->check(CLI::Range(1e-3, 3600.0));
  verb->add_option("--direction", arguments->import.direction,
                   "mahimahi: up or down, if the file's name does not say it")
      ->check(CLI::IsMember({"up", "down"}));
  verb->add_option("--interval-s", arguments->import.interval_s,
                   "tegrastats without dates: seconds between two lines (1)")
      ->check(CLI::Range(1e-3, 3600.0));
  verb->add_flag("--as-recorded", arguments->import.as_recorded,
                 "tegrastats: import the free memory, too: what the recorded load left free");
  verb->add_option("--client", arguments->import.client,
                   "fedscale: key of the client (default: the first)");
  verb->add_option("--node", arguments->node_name, "run:FOLDER: name of the node");
  add_output(*verb, *arguments);
  add_examples(*verb, {"convoy trace import --format tegrastats board.log -o board.csv"});
  verb->callback([arguments, &status] { status = import(*arguments); });
}

CLI::Range times() { return {1e-3, 1e9}; }

void add_options(CLI::App& verb, platforms::Sessions& s) {
  verb.add_option("--length-s", s.length_s, "Length of the trace, s (86400)")->check(times());
  verb.add_option("--there-s", s.mean_there_s, "Mean time present, s (3600)")->check(times());
  verb.add_option("--away-s", s.mean_away_s, "Mean time absent, s (3600)")->check(times());
  verb.add_option("--shape", s.shape, "Shape of the Weibull distributions (0.6)")
      ->check(CLI::Range(0.2, 10.0));
  verb.add_option("--daily", s.daily, "How much the times absent vary over the day, 0 to 0.95 (0)")
      ->check(CLI::Range(0.0, 0.95));
  verb.add_option("--peak-hour", s.peak_hour, "Hour of the day at which they are shortest (2)")
      ->check(CLI::Range(0.0, 24.0));
}

void add_options(CLI::App& verb, platforms::SharedOutages& o) {
  verb.add_option("--length-s", o.length_s, "Length of the trace, s (86400)")->check(times());
  verb.add_option("--between-s", o.mean_between_s, "Mean time between outages, s (7200)")
      ->check(times());
  verb.add_option("--outage-s", o.mean_outage_s, "Mean length of an outage, s (300)")
      ->check(times());
  verb.add_option("--hits", o.hits, "Probability that an outage hits a node (0.5)")
      ->check(CLI::Range(0.0, 1.0));
}

void add_options(CLI::App& verb, platforms::Throttling& t) {
  verb.add_option("--length-s", t.length_s, "Length of the trace, s (3600)")->check(times());
  verb.add_option("--step-s", t.step_s, "Time between two rows, s (1)")
      ->check(CLI::Range(0.01, 3600.0));
  verb.add_option("--ambient-c", t.ambient_c, "Ambient temperature, degrees C (25)")
      ->check(CLI::Range(-40.0, 80.0));
  verb.add_option("--busy-w", t.busy_w, "Power draw at full load and clock, W (20)")
      ->check(CLI::Range(0.0, 1000.0));
  verb.add_option("--idle-w", t.idle_w, "Idle power draw, W (5)")->check(CLI::Range(0.0, 1000.0));
  verb.add_option("--hot-c", t.hot_c, "Above this the clock is lowered, degrees C (85)")
      ->check(CLI::Range(0.0, 150.0));
  verb.add_option("--cool-c", t.cool_c, "Below this the clock is raised again, degrees C (75)")
      ->check(CLI::Range(0.0, 150.0));
  verb.add_option("--throttled-speed", t.throttled_speed,
                  "Speed at the lowered clock, relative to nominal (0.5)")
      ->check(CLI::Range(0.0, 1.0));
}

void add_generate(CLI::App& trace, const Arguments& arguments, int& status) {
  auto* generate = trace.add_subcommand("generate", "Generate a trace, marked as synthetic");
  generate->require_subcommand(1);
  add_examples(*generate, {"convoy trace generate throttling -o made.csv"});
  const auto add = [&](const char* name, const char* what, auto of, auto make) {
    auto* verb = generate->add_subcommand(name, what);
    verb->add_option("--seed", arguments->seed, "Seed; equal seeds give equal traces (1)");
    verb->add_option("--node", arguments->node, "Number of the node among many (0)")
        ->check(CLI::Range(0, 1'000'000));
    add_options(*verb, (*arguments).*of);
    add_output(*verb, *arguments);
    add_examples(*verb, {fmt::format("convoy trace generate {} --seed 7 -o made.csv", name)});
    verb->callback([arguments, of, make, &status] {
      write(make((*arguments).*of, arguments->seed, arguments->node), *arguments);
      status = ExitStatus::done;
    });
  };
  add("sessions",
      "Times present and absent by Weibull distributions, optionally with a daily rhythm",
      &TraceArguments::sessions, platforms::generate_sessions);
  add("outages", "Outages that the nodes of one seed share", &TraceArguments::outages,
      platforms::generate_outages);
  add("throttling", "A device under load that lowers its clock when hot",
      &TraceArguments::throttling, platforms::generate_throttling);
}

}  // namespace

void add_trace(CLI::App& app, int& status) {
  auto* trace = app.add_subcommand("trace", "Recorded time series that drive nodes");
  trace->require_subcommand(1);
  add_examples(*trace, {"convoy trace show scenarios/traces/throttling.csv"});
  const auto arguments = std::make_shared<TraceArguments>();
  add_import(*trace, arguments, status);
  auto* verb =
      trace->add_subcommand("show", "Show statistics of a trace and a plot of each column");
  verb->add_option("trace", arguments->file, "A trace (CSV)")->required();
  verb->add_flag("--json", arguments->json, "Print one JSON object, without plots");
  add_wide(*verb);
  add_examples(*verb, {"convoy trace show scenarios/traces/throttling.csv"});
  verb->callback([arguments, &status] { status = show(*arguments); });
  add_generate(*trace, arguments, status);
}

}  // namespace convoy::cli
