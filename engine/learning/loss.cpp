#include "engine/learning/loss.hpp"

namespace convoy::engine {

Tensor training_loss(const Tensors& exits, const Tensor& labels, const TransferOptions& transfer) {
  Tensor loss = at::cross_entropy_loss(exits.back(), labels);
  const bool teaching = transfer.weight > 0 && exits.size() > 1;
  const double t = transfer.temperature;
  Tensor teacher;
  if (teaching) {
    const Tensor scores = transfer.detached ? exits.back().detach() : exits.back();
    teacher = at::log_softmax(scores / t, 1);
  }
  for (std::size_t i = 0; i + 1 < exits.size(); ++i) {
    loss = loss + at::cross_entropy_loss(exits[i], labels);
    if (!teaching) continue;
    const Tensor student = at::log_softmax(exits[i] / t, 1);
    const Tensor divergence = (teacher.exp() * (teacher - student)).sum();
    const double count = static_cast<double>(transfer.by_batch ? student.size(0) : student.numel());
    loss = loss + divergence * (transfer.weight * t * t / count);
  }
  return loss;
}

}  // namespace convoy::engine
