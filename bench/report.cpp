#include "bench/report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convoy::bench {
namespace {

int bounds_missed = 0;

void line(const std::string& what, double measured, const std::string& unit,
          const std::string& asked, bool met) {
  if (!met) ++bounds_missed;
  fmt::print("{:<66} {:>9.3f} {:<4} {}\n", what, measured, unit,
             asked.empty() ? "" : fmt::format("{}: {}", asked, met ? "met" : "MISSED"));
  std::fflush(stdout);
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void report(const std::string& what, double measured, const std::string& unit, double bound) {
  line(what, measured, unit, bound > 0 ? fmt::format("at most {} {}", bound, unit) : "",
       bound <= 0 || measured <= bound);
}

void report_at_least(const std::string& what, double measured, const std::string& unit,
                     double bound) {
  line(what, measured, unit, fmt::format("at least {} {}", bound, unit), measured >= bound);
}

int missed() { return bounds_missed; }

}  // namespace convoy::bench
