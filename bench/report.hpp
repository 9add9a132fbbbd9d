#pragma once

// What a benchmark measured beside what is asked for.

#include <string>
#include <vector>

namespace convoy::bench {

double median(std::vector<double> values);

// `bound` 0: reported without one.
void report(const std::string& what, double measured, const std::string& unit, double bound);
void report_at_least(const std::string& what, double measured, const std::string& unit,
                     double bound);

// How many bounds were not met so far.
int missed();

}  // namespace convoy::bench
