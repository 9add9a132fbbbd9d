#pragma once

// A machine that reaches its peaks, for times computed by hand.

#include "platforms/device.hpp"

namespace convoy::test {

inline platforms::Machine hand_machine(double flops_per_s, double bytes_per_s) {
  platforms::Machine m;
  m.peak[platforms::index_of(engine::Number::fp32)] = flops_per_s;
  m.memory_bandwidth = bytes_per_s;
  for (auto& shares : m.efficiency) shares.fill(1);
  m.memory_efficiency.fill(1);
  return m;
}

}  // namespace convoy::test
