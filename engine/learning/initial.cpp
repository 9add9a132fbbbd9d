#include "engine/learning/initial.hpp"

#include <cmath>

#include "base/random.hpp"
#include "engine/learning/network.hpp"

namespace convoy::engine {
namespace {

// [outputs, inputs, window]; a depthwise convolution has one input.
void draw_weight(Tensor& t, FirstWeights how, const at::Generator& generator) {
  const double inputs = static_cast<double>(t.numel()) / static_cast<double>(t.size(0));
  const double outputs = static_cast<double>(t.numel()) / static_cast<double>(t.size(1));
  const bool by_inputs = how == FirstWeights::by_inputs;
  if (t.dim() == 4) {
    t.normal_(0, std::sqrt(2 / (by_inputs ? inputs : outputs)), generator);
  } else if (how == FirstWeights::mobilenet) {
    t.normal_(0, 0.01, generator);
  } else {
    const double bound = 1 / std::sqrt(by_inputs ? inputs : outputs);
    t.uniform_(-bound, bound, generator);
  }
}

}  // namespace

Tensors initial_tensors(const Layout& layout, std::uint64_t seed) {
  constexpr std::uint64_t purpose = 0x696e6974ULL;
  constexpr double small = 0.02;
  const FirstWeights how = layout.architecture->first_weights;
  Tensors tensors;
  double fan_in = 1;  // of the layer at hand: its weight comes before its bias
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    base::Random keys({seed, purpose, i});
    const at::Generator generator = make_generator(at::kCPU, keys.bits());
    Tensor t = at::zeros(p.shape);
    switch (p.role) {
      case TensorRole::weight: {
        fan_in = static_cast<double>(p.elements()) / static_cast<double>(p.rows());
        draw_weight(t, how, generator);
        break;
      }
      case TensorRole::bias:
        if (how == FirstWeights::by_inputs) {
          t.uniform_(-1 / std::sqrt(fan_in), 1 / std::sqrt(fan_in), generator);
        }
        break;
      case TensorRole::scale:
      case TensorRole::running_variance:
        t.fill_(1);
        break;
      case TensorRole::cls:
      case TensorRole::positions:
      case TensorRole::segments:
      case TensorRole::words:
        t.normal_(0, small, generator);
        break;
      case TensorRole::shift:
      case TensorRole::running_mean:
      case TensorRole::batches_seen:
        break;
    }
    tensors.push_back(std::move(t));
  }
  return tensors;
}

}  // namespace convoy::engine
