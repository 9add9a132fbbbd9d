#include "engine/learning/group_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convoy::engine {
namespace {

[[noreturn]] void fail_as(const std::string& name, const std::string& what) {
  throw base::UserError(fmt::format("{}: {}", name, what));
}

bool is_before(const SampleRange& a, const SampleRange& b) { return a.from < b.from; }

}  // namespace

Boundary joined(const std::vector<const MemberPart*>& parts, const SampleRange& range,
                const std::string& name, const char* what) {
  std::vector<const MemberPart*> ordered = parts;
  std::ranges::stable_sort(ordered, is_before, &MemberPart::range);
  std::map<int, Tensors> pieces;
  int next = range.from;
  for (const MemberPart* part : ordered) {
    const SampleRange taken{std::max(part->range.from, range.from),
                            std::min(part->range.to, range.to)};
    if (taken.count() <= 0) {
      fail_as(name,
              fmt::format("{} of the samples {} to {} came, of which it has none; it has {} "
                          "to {}",
                          what, part->range.from, part->range.to - 1, range.from, range.to - 1));
    }
    if (taken.from < next) {
      fail_as(name, fmt::format("{} of the samples {} to {} came twice", what, taken.from,
                                std::min(next, taken.to) - 1));
    }
    if (taken.from > next) break;
    for (const auto& [number, tensor] : part->tensors) {
      const bool is_all = taken == part->range;
      pieces[number].push_back(
          is_all ? tensor : tensor.narrow(0, taken.from - part->range.from, taken.count()));
    }
    next = taken.to;
  }
  if (next < range.to) {
    const auto behind = std::ranges::find_if(
        ordered, [&](const MemberPart* part) { return part->range.from > next; });
    const int to = behind == ordered.end() ? range.to : (*behind)->range.from;
    fail_as(name, fmt::format("{} of the samples {} to {} did not come", what, next, to - 1));
  }
  Boundary all;
  for (const auto& [number, tensors] : pieces) {
    if (tensors.size() < ordered.size()) {
      fail_as(name, fmt::format("{} came without tensor {} of some samples", what, number));
    }
    all.emplace(number, tensors.size() == 1 ? tensors.front() : at::cat(tensors, 0));
  }
  return all;
}

Tensor in_a_row(const Layout& layout, const Tensors& weights, const Tensors& gradients,
                double share) {
  const at::NoGradGuard no_grad;
  Tensors row;
  for (const bool buffers : {false, true}) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (!weights[i].defined() || layout.tensors[i].buffer != buffers) continue;
      const Tensor& gradient = gradients[i];
      const Tensor values = buffers              ? weights[i] * share
                            : gradient.defined() ? gradient
                                                 : at::zeros_like(weights[i]);
      row.push_back(values.reshape({-1}));
    }
  }
  return row.empty() ? at::zeros({0}) : at::cat(row);
}

Tensors from_a_row(const Layout& layout, const Tensors& weights, const Tensor& row) {
  Tensors tensors(weights.size());
  std::int64_t at = 0;
  for (const bool buffers : {false, true}) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (!weights[i].defined() || layout.tensors[i].buffer != buffers) continue;
      tensors[i] = row.narrow(0, at, weights[i].numel()).view(weights[i].sizes());
      at += weights[i].numel();
    }
  }
  return tensors;
}

Tensor chunk_of(const Tensor& row, int chunk, int chunks) {
  const std::int64_t begin = row.numel() * chunk / chunks;
  const std::int64_t end = row.numel() * (chunk + 1) / chunks;
  return row.narrow(0, begin, end - begin);
}

ChunkSum sum_of(const std::vector<const ChunkSum*>& sums, const std::string& name) {
  const at::NoGradGuard no_grad;
  ChunkSum sum = *sums.front();
  for (std::size_t i = 1; i < sums.size(); ++i) {
    const ChunkSum& next = *sums[i];
    if (next.values.numel() != sum.values.numel()) {
      fail_as(name, "gradients of unlike sizes are to be added");
    }
    sum.values = sum.values + next.values;
    sum.of.insert(sum.of.end(), next.of.begin(), next.of.end());
    sum.losses += next.losses;
    sum.is_finite = sum.is_finite && next.is_finite;
  }
  std::ranges::sort(sum.of, is_before);
  for (std::size_t i = 1; i < sum.of.size(); ++i) {
    if (sum.of[i].from >= sum.of[i - 1].to) continue;
    fail_as(name, fmt::format("the gradients of the samples {} to {} are to be added twice to "
                              "chunk {} of {}",
                              sum.of[i].from, std::min(sum.of[i].to, sum.of[i - 1].to) - 1,
                              sum.chunk, sum.chunks));
  }
  return sum;
}

Tensor complete(const std::vector<const ChunkSum*>& sums, int samples, const std::string& name) {
  const int chunks = sums.front()->chunks;
  std::map<int, std::vector<const ChunkSum*>> by_chunk;
  for (const ChunkSum* sum : sums) {
    if (sum->chunks != chunks) {
      fail_as(name, fmt::format("it is to step by gradients in {} chunks, and in {}", chunks,
                                sum->chunks));
    }
    by_chunk[sum->chunk].push_back(sum);
  }
  Tensors values;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    std::vector<const ChunkSum*>& parts = by_chunk[chunk];
    if (parts.empty()) {
      fail_as(name, fmt::format("chunk {} of {} of its gradients did not come", chunk, chunks));
    }
    std::ranges::sort(parts, {}, [](const ChunkSum* sum) { return sum->of.front().from; });
    const ChunkSum sum = sum_of(parts, name);
    int next = 0;
    for (const SampleRange& range : sum.of) {
      if (range.from > next) break;
      next = range.to;
    }
    if (next < samples) {
      fail_as(name, fmt::format("chunk {} of {} of its gradients lacks those of sample {}", chunk,
                                chunks, next));
    }
    values.push_back(sum.values);
  }
  return at::cat(values);
}

std::shared_ptr<const TensorWeights> join_weights(const Layout& layout,
                                                  const std::vector<const StageWeights*>& stages,
                                                  const std::string& name) {
  Tensors tensors(layout.size());
  Trained trained(layout.size());
  auto optimizer = std::make_shared<OptimizerState>();
  optimizer->slots.assign(OptimizerState::most_slots, Tensors(layout.size()));
  if (stages.empty()) fail_as(name, "it is to join stages, and is given none");
  optimizer->steps = stages.front()->optimizer.steps;
  for (const StageWeights* stage : stages) {
    if (stage->steps != stages.front()->steps || stage->samples != stages.front()->samples ||
        stage->optimizer.steps != optimizer->steps) {
      fail_as(name, "it is to join stages of different trainings");
    }
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (!stage->tensors[i].defined()) continue;
      if (tensors[i].defined()) {
        fail_as(name, fmt::format("it is to join stages of which two hold \"{}\"",
                                  layout.tensors[i].name));
      }
      tensors[i] = stage->tensors[i];
      if (!layout.tensors[i].buffer) trained[i] = std::make_shared<const Marks>(1, 1);
      for (std::size_t s = 0; s < stage->optimizer.slots.size(); ++s) {
        optimizer->slots[s][i] = stage->optimizer.slots[s][i];
      }
    }
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (tensors[i].defined()) continue;
    fail_as(name,
            fmt::format("it is to join stages of which none holds \"{}\"", layout.tensors[i].name));
  }
  auto version = std::make_shared<TensorWeights>(std::move(tensors), std::move(trained));
  version->optimizer = std::move(optimizer);
  return version;
}

}  // namespace convoy::engine
