#include "engine/learning/own_layers.hpp"

#include <fmt/format.h>

namespace convoy::engine {

std::vector<Stage> own_stages(const TaskBrief& brief, int layers) {
  if (!brief.own_before) return {};
  std::vector<Stage> own = {{0, *brief.own_before}};
  if (brief.own_from) own.push_back({*brief.own_from, layers});
  const bool are_there = own.front().last < layers && own.back().first < layers &&
                         (own.size() < 2 || own[0].last < own[1].first);
  if (are_there) return own;
  throw base::UserError(fmt::format(
      "a node is to have the first {} layers{} of its own, and of {} some must be others'",
      own.front().last, own.size() > 1 ? fmt::format(" and those from {}", own[1].first) : "",
      layers));
}

std::shared_ptr<const TensorWeights> with_own(const Layout& layout, const TensorWeights& version,
                                              const TensorState& node) {
  Tensors tensors = version.tensors;
  Trained trained = version.trained;
  for (std::size_t i = 0; i < node.own.size(); ++i) {
    if (!node.own[i].defined()) continue;
    tensors[i] = node.own[i];
    if (!layout.tensors[i].buffer) trained[i] = std::make_shared<const Marks>(1, 1);
  }
  return std::make_shared<const TensorWeights>(std::move(tensors), std::move(trained), version.part,
                                               version.masks);
}

Evaluation mean_of(const std::vector<Evaluation>& all) {
  Evaluation mean = all.front();
  const auto n = static_cast<double>(all.size());
  for (std::size_t e = 0; e < mean.exits.size(); ++e) {
    for (double ExitScore::*figure : {&ExitScore::loss, &ExitScore::top1, &ExitScore::top5,
                                      &ExitScore::f1, &ExitScore::untrained}) {
      // From the first: so the mean of equal figures is that figure.
      const double first = all.front().exits[e].*figure;
      double beyond = 0;
      for (const Evaluation& evaluation : all) beyond += evaluation.exits[e].*figure - first;
      mean.exits[e].*figure = first + beyond / n;
    }
  }
  return mean;
}

TensorFile own_to_file(const Layout& layout, const TensorState& node,
                       const Engine::Metadata& about) {
  TensorFile file;
  file.metadata = about;
  for (std::size_t i = 0; i < node.own.size(); ++i) {
    if (node.own[i].defined()) file.tensors.emplace_back(layout.tensors[i].name, node.own[i]);
  }
  return file;
}

}  // namespace convoy::engine
