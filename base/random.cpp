#include "base/random.hpp"

#include <cmath>
#include <numbers>

namespace convoy::base {
namespace {

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15U;

}  // namespace

Random::Random(std::initializer_list<std::uint64_t> keys) {
  for (const std::uint64_t key : keys) state_ = mix(state_ + golden) ^ mix(key + 2 * golden);
  state_ = mix(state_);
}

std::uint64_t Random::bits() {
  state_ += golden;
  return mix(state_);
}

double Random::uniform() { return static_cast<double>(bits() >> 11U) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t n) {
  const std::uint64_t reject = (0 - n) % n;  // 2^64 mod n
  std::uint64_t b = bits();
  while (b < reject) b = bits();
  return b % n;
}

double Random::normal() {
  const double u = 1.0 - uniform();  // in (0, 1]
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

double Random::exponential(double mean) { return -mean * std::log(1.0 - uniform()); }

double Random::gamma(double shape) {
  if (shape < 1.0) {
    const double u = 1.0 - uniform();
    return gamma(shape + 1.0) * std::pow(u, 1.0 / shape);
  }
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal();
    const double v = std::pow(1.0 + c * x, 3.0);
    if (v <= 0) continue;
    const double u = 1.0 - uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace convoy::base
