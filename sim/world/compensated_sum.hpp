#pragma once

// A sum of many terms that come and go, with the part that rounding loses (Neumaier 1974).

#include <cmath>

namespace convoy::sim {

class CompensatedSum {
 public:
  void add(double x) {
    const double sum = value_ + x;
    lost_ += std::abs(value_) >= std::abs(x) ? (value_ - sum) + x : (x - sum) + value_;
    value_ = sum;
  }
  void clear() { *this = {}; }
  [[nodiscard]] double value() const { return value_ + lost_; }

 private:
  double value_ = 0;
  double lost_ = 0;
};

}  // namespace convoy::sim
