#include "engine/model/pruning.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <utility>

namespace convoy::engine {
namespace {

std::int64_t count(std::span<const std::uint8_t> flags) {
  return std::ranges::count(flags, std::uint8_t{1});
}

// Places of what may be kept again, by falling squared gradient, then rising place.
std::vector<std::size_t> candidates_of(const PrunableLayer& layer) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < layer.kept.size(); ++i) {
    if (layer.kept[i] == 0) places.push_back(i);
  }
  std::ranges::stable_sort(places, std::greater(), [&](std::size_t i) { return layer.squares[i]; });
  return places;
}

void check(const PrunableLayer& layer) {
  if (layer.squares.size() != layer.weights.size() || layer.kept.size() != layer.weights.size()) {
    throw std::logic_error("a layer's weights, squared gradients and mask differ in length");
  }
  if (!(layer.seconds > 0)) throw std::logic_error("a kept weight must cost some time");
}

}  // namespace

std::vector<std::uint8_t> up_for_removal(std::span<const float> weights,
                                         std::span<const std::uint8_t> kept, double share) {
  std::vector<float> magnitudes;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (kept[i] != 0) magnitudes.push_back(std::abs(weights[i]));
  }
  std::vector<std::uint8_t> removed(weights.size(), 0);
  if (magnitudes.empty()) return removed;
  const auto place = static_cast<std::ptrdiff_t>(share * static_cast<double>(magnitudes.size()));
  std::nth_element(magnitudes.begin(), magnitudes.begin() + place, magnitudes.end());
  const float threshold = magnitudes[static_cast<std::size_t>(place)];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    removed[i] = kept[i] != 0 && std::abs(weights[i]) < threshold ? 1 : 0;
  }
  return removed;
}

std::vector<std::size_t> revive(double squares, double seconds, std::span<const double> each,
                                const std::vector<std::vector<double>>& candidates,
                                std::optional<std::int64_t> room) {
  // The best candidate of each layer: gain a second, and the layer; the first layer of equal ones.
  using Best = std::pair<double, std::size_t>;
  const auto worse = [](const Best& a, const Best& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  };
  std::priority_queue<Best, std::vector<Best>, decltype(worse)> heap(worse);
  std::vector<std::size_t> taken(candidates.size(), 0);
  const auto offer = [&](std::size_t layer) {
    if (taken[layer] == candidates[layer].size()) return;
    heap.emplace(candidates[layer][taken[layer]] / each[layer], layer);
  };
  for (std::size_t layer = 0; layer < candidates.size(); ++layer) offer(layer);
  for (std::int64_t n = 0; !heap.empty() && (!room || n < *room); ++n) {
    const auto [gain, layer] = heap.top();
    if (!(gain > squares / seconds)) break;
    heap.pop();
    squares += candidates[layer][taken[layer]];
    seconds += each[layer];
    ++taken[layer];
    offer(layer);
  }
  return taken;
}

Reconfigured reconfigure(std::span<PrunableLayer> layers, const Reconfiguration& how) {
  Reconfigured result;
  double squares = how.other_squares;
  double seconds = how.rest_s;
  double all = 0;
  std::vector<double> each;
  std::vector<std::vector<std::size_t>> places;
  std::vector<std::vector<double>> candidates;
  for (PrunableLayer& layer : layers) {
    check(layer);
    all += static_cast<double>(layer.weights.size());
    const std::vector<std::uint8_t> removed =
        up_for_removal(layer.weights, layer.kept, how.removal);
    result.removed += count(removed);
    for (std::size_t i = 0; i < removed.size(); ++i) {
      if (removed[i] != 0) layer.kept[i] = 0;
      if (layer.kept[i] != 0) squares += layer.squares[i];
    }
    const std::int64_t kept = count(layer.kept);
    result.kept += kept;
    seconds += layer.seconds * static_cast<double>(kept);
    each.push_back(layer.seconds);
    places.push_back(candidates_of(layer));
    candidates.emplace_back();
    for (const std::size_t i : places.back()) candidates.back().push_back(layer.squares[i]);
  }
  std::optional<std::int64_t> room;
  if (how.max_density < 1) {
    room = static_cast<std::int64_t>(how.max_density * all) - result.kept;
  }
  const std::vector<std::size_t> revived = revive(squares, seconds, each, candidates, room);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    for (std::size_t i = 0; i < revived[l]; ++i) layers[l].kept[places[l][i]] = 1;
    result.revived += static_cast<std::int64_t>(revived[l]);
  }
  result.kept += result.revived;
  return result;
}

StepCost reconfiguration_step(double parameters, std::size_t updates) {
  StepCost cost;
  const auto pass = [&](double times, double bytes) {
    cost.kernels.push_back({OpClass::elementwise, times * parameters, times * bytes * parameters});
  };
  constexpr double sum = sizeof(double);
  constexpr double place = sizeof(std::uint64_t);
  pass(static_cast<double>(updates), bytes_per_value + 2 * sum);
  pass(3, bytes_per_value);  // the threshold: nth_element goes over about three lengths
  // Candidates are sorted by places that point to sums: twice the logarithm in reads, at most all.
  const double levels = std::log2(std::max(2.0, parameters));
  pass(levels, 2 * (place + sum));
  pass(1, sum + place + 1);  // kept again
  return cost;
}

double reconfiguration_memory(double parameters) {
  // Weights, sums, masks before and after, magnitudes, places and squares of candidates.
  constexpr double each = bytes_per_value + sizeof(double) + 2 + bytes_per_value +
                          sizeof(std::uint64_t) + sizeof(double);
  return each * parameters;
}

}  // namespace convoy::engine
