#pragma once

// A small random generator. The stream depends on the keys alone and is the same on every machine
// and with every standard library (std::normal_distribution is not).
//
//   Random random({seed, node, task});
//   double factor = std::exp(sigma * random.normal());

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace convoy::base {

class Random {
 public:
  // Different lists of keys give independent streams; the order of the keys counts.
  explicit Random(std::initializer_list<std::uint64_t> keys);

  std::uint64_t bits();                  // 64 uniform bits (SplitMix64, Steele et al. 2014)
  double uniform();                      // in [0, 1), 53 bits
  std::uint64_t below(std::uint64_t n);  // uniform in [0, n), unbiased; n >= 1
  double normal();                       // standard normal (Box and Muller)
  double exponential(double mean);       // mean > 0
  double gamma(double shape);            // shape > 0, scale 1 (Marsaglia and Tsang 2000)

 private:
  std::uint64_t state_ = 0;
};

// Shuffles the items (Fisher and Yates).
template <class T>
void shuffle(std::vector<T>& items, Random& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

}  // namespace convoy::base
