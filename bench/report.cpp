#include "bench/report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <exception>

namespace convoy::bench {
namespace {

bool bound_missed = false;

void line(const std::string& what, double measured, const std::string& unit,
          const std::string& asked, bool met) {
  bound_missed = bound_missed || !met;
  fmt::print("{:<66} {:>9.3f} {:<4} {}\n", what, measured, unit,
             asked.empty() ? "" : fmt::format("{}: {}", asked, met ? "met" : "MISSED"));
  std::fflush(stdout);
}

}  // namespace

int run_all(const std::string& program,
            const std::function<void(const std::filesystem::path& folder)>& benchmarks) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("{}-{}", program, ::getpid());
  std::filesystem::create_directories(folder);
  try {
    benchmarks(folder);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}: {}\n", program, e.what());
    return 1;
  }
  std::filesystem::remove_all(folder);
  return bound_missed ? 1 : 0;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void report(const std::string& what, double measured, const std::string& unit, double bound) {
  line(what, measured, unit, bound > 0 ? fmt::format("at most {} {}", bound, unit) : "",
       bound <= 0 || measured <= bound);
}

void report_at_least(const std::string& what, double measured, const std::string& unit,
                     double bound) {
  line(what, measured, unit, fmt::format("at least {} {}", bound, unit), measured >= bound);
}

}  // namespace convoy::bench
