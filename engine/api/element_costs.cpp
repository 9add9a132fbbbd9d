#include "engine/api/element_costs.hpp"

#include <algorithm>
#include <cmath>

#include "engine/codec/places.hpp"

namespace convoy::engine {
namespace {

// Sums over the tensors of an architecture; each(tensor, its number).
template <class Each>
double sum_over(const Architecture& architecture, Each each) {
  double sum = 0;
  const std::vector<ParameterTensor> tensors = parameter_tensors(architecture);
  for (std::size_t i = 0; i < tensors.size(); ++i) sum += each(tensors[i], i);
  return sum;
}

// A pass over n elements: FLOPs and bytes of each.
void add_pass(StepCost& cost, double n, double flops, double bytes) {
  cost.kernels.push_back({OpClass::elementwise, flops * n, bytes * n});
}

std::int64_t kept_of(const ParameterTensor& tensor, const std::vector<std::int64_t>& kept,
                     std::size_t number) {
  return kept.empty() ? tensor.elements() : kept.at(number);
}

}  // namespace

std::vector<std::int64_t> elements_at(const Architecture& architecture, double density) {
  std::vector<std::int64_t> kept;
  for (const ParameterTensor& p : parameter_tensors(architecture)) {
    const std::int64_t all = p.elements();
    const auto share = std::llround(density * static_cast<double>(all));
    kept.push_back(is_prunable(p) ? std::clamp<std::int64_t>(share, 1, all) : all);
  }
  return kept;
}

double pruned_down_bytes(const Architecture& architecture, const std::vector<std::int64_t>& kept) {
  return sum_over(architecture, [&](const ParameterTensor& p, std::size_t i) {
    const std::int64_t n = kept_of(p, kept, i);
    const std::int64_t places = n < p.elements() ? mask_bytes(p.elements(), n) : 0;
    return bytes_per_value * static_cast<double>(n) + static_cast<double>(places);
  });
}

double pruned_up_bytes(const Architecture& architecture, const std::vector<std::int64_t>& kept,
                       bool brings_squares) {
  return sum_over(architecture, [&](const ParameterTensor& p, std::size_t i) {
    const bool squares = brings_squares && !p.buffer;
    return bytes_per_value *
           static_cast<double>(kept_of(p, kept, i) + (squares ? p.elements() : 0));
  });
}

double sampled_down_bytes(const Architecture& architecture) {
  return sum_over(architecture, [](const ParameterTensor& p, std::size_t) {
    return is_frozen(p) ? 0 : bytes_per_value * static_cast<double>(p.elements());
  });
}

double sampled_up_bytes(const Architecture& architecture) {
  return sum_over(architecture, [](const ParameterTensor& p, std::size_t) {
    if (is_sampled(p)) return static_cast<double>(bytes_of_bits(p.elements()));
    return p.buffer ? bytes_per_value * static_cast<double>(p.elements()) : 0;
  });
}

ElementWork pruned_work(const Architecture& architecture, bool gathers_squares) {
  ElementWork work;
  for (const ParameterTensor& p : parameter_tensors(architecture)) {
    if (p.buffer) continue;
    const auto n = static_cast<double>(p.elements());
    if (is_prunable(p)) {
      add_pass(work.each_step, n, 1, 2 * bytes_per_value + 1);
      work.memory += n;  // a mask of a byte each
    }
    if (!gathers_squares) continue;
    add_pass(work.each_step, n, 1, 3 * bytes_per_value);
    add_pass(work.at_the_end, n, 3, 3 * bytes_per_value);
    work.memory += 2 * bytes_per_value * n;  // of this task, and gathered before
  }
  return work;
}

ElementWork sampled_work(const Architecture& architecture) {
  constexpr double sigmoid = 4;  // FLOPs, and to draw
  ElementWork work;
  for (const ParameterTensor& p : parameter_tensors(architecture)) {
    if (!is_sampled(p)) continue;
    const auto n = static_cast<double>(p.elements());
    add_pass(work.each_step, n, 0, bytes_per_value);  // uniform numbers
    add_pass(work.each_step, n, sigmoid + 2,
             4 * bytes_per_value);  // forward: score, constant, number; product
    add_pass(work.each_step, n, sigmoid + 4,
             4 * bytes_per_value);  // backward: gradient, score, constant; gradient
    add_pass(work.at_the_end, n, 0, bytes_per_value);
    add_pass(work.at_the_end, n, sigmoid + 1, 3 * bytes_per_value);
    work.memory += 2 * bytes_per_value * n;  // constants, and what takes part
  }
  return work;
}

}  // namespace convoy::engine
