#include "engine/learning/loss.hpp"

namespace convoy::engine {
namespace {

// What a sum over batch and classes is divided by.
double count_of(const Tensor& scores, const TransferOptions& transfer) {
  return static_cast<double>(transfer.by_batch ? scores.size(0) : scores.numel());
}

// One exit's learning from the deepest one.
Tensor from_deepest(const Tensor& teacher, const Tensor& scores, const TransferOptions& transfer) {
  const double t = transfer.temperature;
  const Tensor student = at::log_softmax(scores / t, 1);
  const Tensor divergence = (teacher.exp() * (teacher - student)).sum();
  return divergence * (transfer.weight * t * t / count_of(student, transfer));
}

// The number of launches here stands in engine/model/costs.cpp.
Tensor from_each(const Tensors& exits, const TransferOptions& transfer) {
  constexpr double floor = 1e-7;
  const double t = transfer.temperature;
  Tensors taught;
  Tensors learned;
  Tensors logarithms;  // of what is taught
  for (const Tensor& scores : exits) {
    const Tensor scaled = scores / t;
    taught.push_back(at::softmax(transfer.detached ? scaled.detach() : scaled, 1) + floor);
    logarithms.push_back(taught.back().log());
    learned.push_back(at::log_softmax(scaled, 1));
  }
  Tensor divergence = at::zeros({}, exits.front().options());
  for (std::size_t i = 0; i < exits.size(); ++i) {
    for (std::size_t j = 0; j < exits.size(); ++j) {
      if (j != i) divergence = divergence + (taught[j] * (logarithms[j] - learned[i])).sum();
    }
  }
  const double others = static_cast<double>(exits.size()) - 1;
  return divergence * (transfer.weight * t * t / (others * count_of(taught[0], transfer)));
}

}  // namespace

Tensor without_absent(const Tensor& scores, const Tensor& absent) {
  return absent.defined() ? scores.masked_fill(absent, 0) : scores;
}

Tensor training_loss(const Tensors& exits, const Tensor& labels, const TransferOptions& transfer,
                     const Tensor& absent) {
  Tensors scores;
  for (const Tensor& exit : exits) scores.push_back(without_absent(exit, absent));
  Tensor loss = at::cross_entropy_loss(scores.back(), labels);
  const bool teaching = transfer.weight > 0 && scores.size() > 1;
  Tensor teacher;
  if (teaching && !transfer.mutual) {
    const Tensor& deepest = scores.back();
    teacher =
        at::log_softmax((transfer.detached ? deepest.detach() : deepest) / transfer.temperature, 1);
  }
  for (std::size_t i = 0; i + 1 < scores.size(); ++i) {
    loss = loss + at::cross_entropy_loss(scores[i], labels);
    if (teacher.defined()) loss = loss + from_deepest(teacher, scores[i], transfer);
  }
  return teaching && transfer.mutual ? loss + from_each(scores, transfer) : loss;
}

}  // namespace convoy::engine
