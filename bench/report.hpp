#pragma once

// Prints measurements of benchmarks beside their bounds.

#include <string>
#include <vector>

namespace convoy::bench {

double median(std::vector<double> values);

// `bound` 0: no bound.
void report(const std::string& what, double measured, const std::string& unit, double bound);
void report_at_least(const std::string& what, double measured, const std::string& unit,
                     double bound);

// Number of bounds exceeded so far.
int missed();

}  // namespace convoy::bench
