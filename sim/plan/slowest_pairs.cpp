#include "sim/plan/slowest_pairs.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace convoy::sim {
namespace {

constexpr double no_pair = std::numeric_limits<double>::infinity();

// The largest level of which a rectangle fits: 2^level <= length.
int level_of(int length) { return std::bit_width(static_cast<unsigned>(length)) - 1; }

}  // namespace

SlowestPairs::SlowestPairs(const PipelineProblem& problem, const std::vector<int>& order)
    : size_(order.size()), levels_(level_of(static_cast<int>(order.size())) + 1) {
  const int n = static_cast<int>(size_);
  std::vector<double> pairs(size_ * size_, no_pair);
  double least = no_pair;
  double most = 0;
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) {
      if (a == b) continue;
      const double there =
          problem.bandwidth(order[static_cast<std::size_t>(a)], order[static_cast<std::size_t>(b)]);
      const double back =
          problem.bandwidth(order[static_cast<std::size_t>(b)], order[static_cast<std::size_t>(a)]);
      pairs[at(0, 0, a, b)] = std::min(there, back);
      least = std::min(least, there);
      most = std::max(most, there);
    }
  }
  if (n < 2 || least == most) {
    every_ = least;  // infinite for one device, which needs none
    return;
  }
  least_ = std::move(pairs);
  least_.resize(static_cast<std::size_t>(levels_ * levels_) * size_ * size_, no_pair);
  for (int rows = 0; rows < levels_; ++rows) {
    for (int columns = 0; columns < levels_; ++columns) {
      if (rows == 0 && columns == 0) continue;
      for (int a = 0; a + (1 << rows) <= n; ++a) {
        for (int b = 0; b + (1 << columns) <= n; ++b) {
          const double half = columns > 0
                                  ? least_[at(rows, columns - 1, a, b + (1 << (columns - 1)))]
                                  : least_[at(rows - 1, columns, a + (1 << (rows - 1)), b)];
          const double first =
              columns > 0 ? least_[at(rows, columns - 1, a, b)] : least_[at(rows - 1, 0, a, b)];
          least_[at(rows, columns, a, b)] = std::min(first, half);
        }
      }
    }
  }
}

double SlowestPairs::between(int begin, int end, int next, int next_end) const {
  if (every_ > 0) return every_;
  const int rows = level_of(end - begin);
  const int columns = level_of(next_end - next);
  const int low = end - (1 << rows);
  const int right = next_end - (1 << columns);
  return std::min({least_[at(rows, columns, begin, next)], least_[at(rows, columns, begin, right)],
                   least_[at(rows, columns, low, next)], least_[at(rows, columns, low, right)]});
}

}  // namespace convoy::sim
