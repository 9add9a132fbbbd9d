#include "engine/learning/sampled.hpp"

#include <cmath>
#include <numbers>

#include "base/random.hpp"
#include "engine/learning/initial.hpp"
#include "engine/learning/network.hpp"
#include "engine/rules/fedpm.hpp"

namespace convoy::engine {
namespace {

// Of random numbers.
constexpr std::uint64_t for_signs = 0x7369676e73ULL;
constexpr std::uint64_t for_scores = 0x73636f726573ULL;
constexpr std::uint64_t for_tests = 0x74657374ULL;

// +-c each. By bits of Convoy's own generator, which are the same everywhere.
void draw_signs(const Tensor& tensor, double c, std::uint64_t seed, std::size_t number) {
  base::Random random({seed, for_signs, number});
  const auto magnitude = static_cast<float>(c);
  float* values = tensor.data_ptr<float>();
  constexpr std::int64_t bits_at_once = 64;
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < tensor.numel(); ++i, bits >>= 1U) {
    if (i % bits_at_once == 0) bits = random.bits();
    values[i] = (bits & 1U) != 0 ? magnitude : -magnitude;
  }
}

void draw_uniform(const Tensor& tensor, double deviation, std::uint64_t seed, std::size_t number) {
  base::Random random({seed, for_signs, number});
  const double bound = deviation * std::numbers::sqrt3;
  float* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {
    values[i] = static_cast<float>(bound * (2 * random.uniform() - 1));
  }
}

}  // namespace

Tensors frozen_network(const Layout& layout, std::uint64_t seed) {
  constexpr double small = 0.02;
  Tensors frozen(layout.size());
  double fan_in = 1;  // of the layer at hand: its weight comes before its bias
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (p.buffer) continue;
    frozen[i] = at::zeros(p.shape);
    if (p.role == TensorRole::weight) {
      fan_in = static_cast<double>(p.elements()) / static_cast<double>(p.rows());
    }
    if (is_sampled(p)) {
      draw_signs(frozen[i], std::numbers::e * std::sqrt(1 / fan_in), seed, i);
    } else if (p.role == TensorRole::scale) {
      frozen[i].fill_(1);
    } else if (p.role != TensorRole::shift) {
      draw_uniform(frozen[i], small, seed, i);
    }
  }
  return frozen;
}

Tensors initial_scores(const Layout& layout, const Tensors& frozen, std::uint64_t seed) {
  Tensors tensors = initial_tensors(layout, seed);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.freezes(i)) tensors[i] = frozen[i];
    if (!layout.samples(i)) continue;
    base::Random keys({seed, for_scores, i});
    tensors[i].normal_(0, 1, make_generator(at::kCPU, keys.bits()));
  }
  return tensors;
}

Tensor draw(const Tensor& scores, at::Generator& generator) {
  return at::empty_like(scores).uniform_(0, 1, generator).lt(scores.sigmoid());
}

Tensors network_of(const Layout& layout, const Tensors& frozen, const Tensors& version,
                   std::uint64_t seed, bool threshold) {
  const at::NoGradGuard no_grad;
  Tensors network(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!layout.samples(i)) {
      network[i] = layout.freezes(i) ? frozen[i] : version[i];
      continue;
    }
    const Tensor scores = version[i].cpu();
    Tensor part = scores.gt(0);
    if (!threshold) {
      base::Random keys({seed, for_tests, i});
      at::Generator generator = make_generator(at::kCPU, keys.bits());
      part = draw(scores, generator);
    }
    network[i] = frozen[i] * part;
  }
  return network;
}

Tensor counted(const Tensor& takes_part) {
  return at::full(takes_part.sizes(), mask_zero, at::kFloat).masked_fill_(takes_part, mask_one);
}

Tensor takes_part(const Tensor& counted) { return counted.gt(0.5); }

}  // namespace convoy::engine
