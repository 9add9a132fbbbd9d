#pragma once

// Internal to sim/plan: the slowest bandwidth of the pairs between two groups of devices that
// follow each other in an order, in constant time (a table of minima over rectangles whose sides
// are powers of two: N^2 log^2 N numbers for N devices).

#include <cstddef>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

class SlowestPairs {
 public:
  // Places are those of `order`, from 0.
  SlowestPairs(const PipelineProblem& problem, const std::vector<int>& order);

  // bytes/s, there or back, of the slowest pair of places [begin, end) with [next, next_end). Both
  // are not empty.
  [[nodiscard]] double between(int begin, int end, int next, int next_end) const;
  // Every pair is as fast as every other.
  [[nodiscard]] bool is_uniform() const { return every_ > 0; }
  // Of the slowest pair of places [begin, end); infinite for one device.
  [[nodiscard]] double within(int begin, int end) const { return between(begin, end, begin, end); }

 private:
  [[nodiscard]] std::size_t at(int rows, int columns, int row, int column) const {
    return (((static_cast<std::size_t>(rows * levels_ + columns) * size_) +
             static_cast<std::size_t>(row)) *
            size_) +
           static_cast<std::size_t>(column);
  }

  std::size_t size_ = 0;
  int levels_ = 0;
  double every_ = 0;           // of every pair, or 0 where pairs differ
  std::vector<double> least_;  // by levels of rows and columns: rectangles of 2^level from a place
};

}  // namespace convoy::sim
