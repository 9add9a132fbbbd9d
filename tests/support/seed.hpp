#pragma once

// The seed of a randomised test: new each time, and printed, so that a failure can be repeated.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace convoy::test {

// CONVOY_TEST_SEED, if set.
inline std::uint64_t drawn_seed() {
  const char* given = std::getenv("CONVOY_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  std::cout << "CONVOY_TEST_SEED=" << seed << " repeats this"
            << std::endl;  // flushed, so that it is printed even if the test is killed
  return seed;
}

}  // namespace convoy::test
