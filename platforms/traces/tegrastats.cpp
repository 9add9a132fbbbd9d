#include "hil/sensors/tegrastats.hpp"

#include <fmt/format.h>

#include "base/diagnostics.hpp"
#include "platforms/traces/import.hpp"
#include "platforms/traces/stamps.hpp"

namespace convoy::platforms {

Trace import_tegrastats(std::string_view text, const std::string& file, double interval_s) {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  constexpr std::size_t date_length = 19;  // "10-01-2025 20:05:55"
  Trace trace;
  trace.name = file;
  std::vector<double> moments;
  std::int64_t passed_over = 0;
  std::int64_t undated = 0;
  std::int64_t out_of_bounds = 0;
  base::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    const auto fields = hil::parse_tegrastats(line);
    if (!fields) {
      passed_over += base::trimmed(line).empty() ? 0 : 1;
      continue;
    }
    const auto date = parse_stamp(line.substr(0, date_length));
    undated += date ? 0 : 1;
    moments.push_back(date.value_or(static_cast<double>(moments.size()) * interval_s));
    if (date && moments.size() > 1 && moments.back() < moments[moments.size() - 2]) {
      throw base::UserError(
          fmt::format("{}:{}: is dated before the line above", file, lines.line()));
    }
    const auto put = [&](Column column, std::optional<double> value) {
      if (value && out_of_range(column, *value)) {
        ++out_of_bounds;
        value.reset();
      }
      trace.of(column).push_back(value.value_or(nothing));
    };
    put(Column::power_w, fields->power_w());
    put(Column::temperature_c, fields->temperature_c());
    const bool memory = fields->ram_used_bytes && fields->ram_total_bytes;
    put(Column::memory_free_bytes,
        memory ? std::optional(*fields->ram_total_bytes - *fields->ram_used_bytes) : std::nullopt);
  }
  if (moments.empty()) throw base::UserError(file + ": has no line of tegrastats");
  if (undated > 0 && undated < static_cast<std::int64_t>(moments.size())) {
    throw base::UserError(fmt::format("{}: {} of {} lines have no date; is it two logs in one?",
                                      file, undated, moments.size()));
  }
  if (undated > 0) {
    trace.remarks.push_back(
        fmt::format("its lines have no date: taken as {:g} s apart", interval_s));
  }
  if (passed_over > 0) {
    trace.remarks.push_back(fmt::format("{} line(s) of something else left out", passed_over));
  }
  if (out_of_bounds > 0) {
    trace.remarks.push_back(fmt::format("{} value(s) that cannot be left out", out_of_bounds));
  }
  if (std::string gaps = gaps_in(moments); !gaps.empty()) trace.remarks.push_back(gaps);
  trace.time = spread(moments, interval_s);
  return trace;
}

}  // namespace convoy::platforms
