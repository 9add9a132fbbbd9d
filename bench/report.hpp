#pragma once

// What all benchmarks share: a folder of their own, and measurements printed beside their bounds.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "base/median.hpp"

namespace convoy::bench {

// Runs a program's benchmarks in a new temporary folder, which is removed at the end; it stays if
// they throw. Gives the exit status: 1 if they threw, or if a bound was not met.
int run_all(const std::string& program,
            const std::function<void(const std::filesystem::path& folder)>& benchmarks);

double seconds_since(std::chrono::steady_clock::time_point start);
// CPU time of this process so far, all threads, s: less disturbed by a busy machine.
double cpu_seconds();
using base::median;

// `bound` 0: no bound.
void report(const std::string& what, double measured, const std::string& unit, double bound);
void report_at_least(const std::string& what, double measured, const std::string& unit,
                     double bound);

}  // namespace convoy::bench
