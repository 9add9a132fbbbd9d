#include "platforms/knob.hpp"

namespace convoy::platforms {
namespace {

using engine::Number;

// Where a knob turns, in the machine's own unit; what an overhead is multiplied with for seconds.
double& figure_of(const Knob& knob, Machine& m) {
  switch (knob.kind) {
    case Knob::Kind::efficiency:
      return m.efficiency.at(index_of(knob.number)).at(index_of(knob.op));
    case Knob::Kind::memory_efficiency:
      return m.memory_efficiency.at(index_of(knob.number));
    case Knob::Kind::launch_overhead:
      return m.launch_overhead;
    case Knob::Kind::dense_overhead:
      return m.dense_overhead;
    case Knob::Kind::cache:
      return m.cache;
    case Knob::Kind::cache_bandwidth:
      break;
  }
  return m.cache_bandwidth;
}

double unit_of(const Knob& knob, const Machine& m) {
  if (knob.kind == Knob::Kind::launch_overhead && m.cpu_hz > 0) return 1 / m.cpu_hz;
  if (knob.kind == Knob::Kind::dense_overhead && m.gpu_hz > 0) return 1 / m.gpu_hz;
  return 1;
}

}  // namespace

bool is_share(const Knob& knob) {
  return knob.kind == Knob::Kind::efficiency || knob.kind == Knob::Kind::memory_efficiency;
}

double read(const Knob& knob, const Machine& machine) {
  Machine m = machine;
  return figure_of(knob, m) / unit_of(knob, machine);
}

void turn(const Knob& knob, double value, Machine& m) {
  figure_of(knob, m) = value * unit_of(knob, m);
  // TF32 uses FP32 values in memory, so it shares FP32's memory efficiency.
  if (knob.kind == Knob::Kind::memory_efficiency && knob.number == Number::fp32) {
    m.memory_efficiency.at(index_of(Number::tf32)) = value;
  }
}

}  // namespace convoy::platforms
