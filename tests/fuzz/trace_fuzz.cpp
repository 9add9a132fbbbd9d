// libFuzzer target for the trace importers: any input gives a valid trace that our own format can
// hold, or a message.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/diagnostics.hpp"
#include "platforms/traces/import.hpp"
#include "platforms/traces/signal.hpp"

namespace {

using namespace convoy::platforms;

void insist(bool holds) {
  if (!holds) std::abort();
}

// The trace as import_trace() gives it: written, read again, and used.
void look_at(const Trace& imported) {
  insist(!imported.time.empty());
  for (const auto& column : imported.values) {
    insist(column.empty() || column.size() == imported.time.size());
  }
  Trace read;
  try {
    read = parse_trace(to_csv(imported), "again");
  } catch (const convoy::base::UserError&) {
    return;  // for example, if times cannot be written as rising numbers
  }
  insist(read.time.size() == imported.time.size());
  const auto shared = std::make_shared<const Trace>(read);
  for (const bool loop : {false, true}) {
    const TraceUse use{.start_s = 1, .loop = loop};
    if (!check(read, use).empty()) continue;
    for (int c = 0; c < trace_columns; ++c) {
      const auto column = static_cast<Column>(c);
      if (!read.has(column)) continue;
      const Signal signal(shared, column, use, 1);
      double time = 0;
      for (int i = 0; i < 100 && std::isfinite(time); ++i) {
        const Signal::Step step = signal.at(time);
        insist(step.until > time);
        insist(step.value <= signal.highest() && step.value >= signal.lowest());
        time = step.until;
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 7) {
      case 0:
        look_at(parse_trace(text, "t"));
        break;
      case 1:
        look_at(import_tegrastats(text, "t", 0.5));
        look_at(import_tegrastats(text, "t", 0.5, true));
        break;
      case 2:
        look_at(import_mahimahi(text, "t", Column::up_bps, 1000));
        break;
      case 3:
        look_at(import_gnettrack(text, "t"));
        break;
      case 4:
        look_at(import_mlperf_power(text, "t"));
        break;
      default:
        look_at(import_fedscale(text, "t", ""));
    }
  } catch (const convoy::base::UserError&) {
  }
  return 0;
}
