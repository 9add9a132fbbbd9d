#include "platforms/traces/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "platforms/traces/signal.hpp"

namespace convoy::platforms {
namespace {

Column direction_of(const ImportOptions& options, const std::string& file) {
  if (options.direction == "up") return Column::up_bps;
  if (options.direction == "down") return Column::down_bps;
  if (file.ends_with(".up")) return Column::up_bps;
  if (file.ends_with(".down")) return Column::down_bps;
  throw base::UserError(file + ": ends neither in .up nor in .down: say --direction up or down");
}

Trace import_text(const ImportOptions& options, const std::string& file, const std::string& text) {
  if (options.format == "tegrastats") {
    return import_tegrastats(text, file, options.interval_s, options.as_recorded);
  }
  if (options.format == "mahimahi") {
    return import_mahimahi(text, file, direction_of(options, file), options.bin_s);
  }
  if (options.format == "gnettrack") return import_gnettrack(text, file);
  if (options.format == "mlperf-power") return import_mlperf_power(text, file);
  if (options.format == "fedscale") return import_fedscale(text, file, options.client);
  if (options.format == "convoy") return parse_trace(text, file);
  throw base::UserError(fmt::format("unknown format \"{}\"{}; known: {}", options.format,
                                    base::did_you_mean(options.format, import_formats()),
                                    base::list_of(import_formats(), "and")));
}

Trace import_one(const ImportOptions& options, const std::string& file) {
  bool utf16 = false;
  const std::string text = base::decoded(base::read_file(file), file, &utf16);
  if (text.empty()) throw base::UserError(file + ": is empty");
  Trace trace = import_text(options, file, text);
  if (utf16) trace.remarks.emplace_back("is UTF-16, and read as such");
  return trace;
}

}  // namespace

const std::vector<std::string>& import_formats() {
  static const std::vector<std::string> names = {"tegrastats",   "mahimahi", "gnettrack",
                                                 "mlperf-power", "fedscale", "convoy"};
  return names;
}

Trace import_trace(const ImportOptions& options) {
  std::vector<Trace> parts;
  for (const std::string& file : options.files) {
    Trace& part = parts.emplace_back(import_one(options, file));
    const double first = part.time.front();
    for (double& t : part.time) t -= first;
    fill_gaps(part);
  }
  if (parts.empty()) throw base::UserError("give at least one file");
  Trace trace =
      parts.size() == 1 ? std::move(parts.front()) : merged(parts, options.format == "mahimahi");
  if (std::ranges::all_of(trace.values, [](const auto& v) { return v.empty(); })) {
    throw base::UserError(trace.name + ": has nothing that could drive a node");
  }
  // A trace written by Convoy already has these remarks.
  for (const auto& [column, word] : column_words) {
    if (!trace.has(column) || options.format == "convoy") continue;
    trace.remarks.push_back(fmt::format("{} drives {}", word, driven_by(column)));
  }
  return trace;
}

Trace merged(const std::vector<Trace>& traces, bool repeat) {
  double length = 0;
  for (const Trace& t : traces) length = std::max(length, t.time.back());
  Trace all;
  std::set<double> times = {0, length};
  struct Part {
    Column column;
    Signal signal;
  };
  std::vector<Part> parts;
  for (const Trace& t : traces) {
    all.name += (all.name.empty() ? "" : ", ") + t.name;
    all.synthetic = all.synthetic || t.synthetic;
    all.remarks.insert(all.remarks.end(), t.remarks.begin(), t.remarks.end());
    const bool short_one = repeat && t.time.back() < length && t.time.size() > 1;
    if (short_one) {
      all.remarks.push_back(fmt::format("{} repeats after {:g} s", t.name, t.time.back()));
    }
    const TraceUse use{.loop = short_one};
    const auto shared = std::make_shared<const Trace>(t);
    for (const auto& [column, word] : column_words) {
      if (!t.has(column)) continue;
      const bool twice = std::ranges::find(parts, column, &Part::column) != parts.end();
      if (twice) {
        throw base::UserError(
            fmt::format("{}: {} is there already, from another file", t.name, word));
      }
      parts.push_back({column, Signal(shared, column, use, 0)});
      for (double at = 0; at < length;) {
        times.insert(at);
        if (times.size() > most_rows) {
          throw base::UserError(t.name +
                                ": repeated to the length of the others it has too many "
                                "rows; import it by itself");
        }
        at = parts.back().signal.at(at).until;
      }
    }
  }
  all.time.assign(times.begin(), times.end());
  for (const Part& p : parts) {
    for (const double t : all.time) all.of(p.column).push_back(p.signal.at(t).value);
  }
  return all;
}

}  // namespace convoy::platforms
