#include "engine/model/stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "engine/model/layer_costs.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::engine {
namespace {

int size_of(const Trace& trace) { return static_cast<int>(trace.layers.size()); }

const TracedLayer& layer_at(const Trace& trace, int index) {
  return trace.layers[static_cast<std::size_t>(index)];
}

void check(const Trace& trace, int cut) {
  if (cut >= 1 && cut < size_of(trace)) return;
  throw std::out_of_range(fmt::format("no cut {}: a trace of {} layers has those from 1 to {}", cut,
                                      size_of(trace), size_of(trace) - 1));
}

void check(const Trace& trace, const Stage& stage) {
  if (stage.first >= 0 && stage.first < stage.last && stage.last <= size_of(trace)) return;
  throw std::out_of_range(fmt::format("no stage [{}, {}) in a trace of {} layers", stage.first,
                                      stage.last, size_of(trace)));
}

// The block, stem or exit of a layer: "block3" of "block3.relu1".
std::string part_of(const TracedLayer& t) { return t.path.substr(0, t.path.find('.')); }

// By tensor: the layer that makes it; -1: the network's input.
std::vector<int> makers(const Trace& trace) {
  std::vector<int> made(static_cast<std::size_t>(trace.tensors), -1);
  for (int i = 0; i < size_of(trace); ++i) {
    made[static_cast<std::size_t>(layer_at(trace, i).output)] = i;
  }
  return made;
}

// By position 0 to n-1: the tensors that cross there.
std::vector<std::vector<int>> all_crossing(const Trace& trace) {
  const std::vector<int> made = makers(trace);
  const std::vector<int> last = last_uses(trace);
  std::vector<std::vector<int>> by_cut(trace.layers.size());
  for (int tensor = 0; tensor < trace.tensors; ++tensor) {
    const auto number = static_cast<std::size_t>(tensor);
    for (int cut = made[number] + 1; cut <= last[number]; ++cut) {
      by_cut[static_cast<std::size_t>(cut)].push_back(tensor);
    }
  }
  return by_cut;
}

// Tensors beside token numbers.
int values_in(const Trace& trace, const std::vector<int>& tensors) {
  return static_cast<int>(std::count_if(tensors.begin(), tensors.end(), [&](int tensor) {
    return !is_token_numbers(trace, tensor);
  }));
}

// The position behind the named layer or part; 0: there is none of this name.
int position_after(const Trace& trace, const std::string& name) {
  for (int i = size_of(trace); i-- > 0;) {
    const TracedLayer& t = layer_at(trace, i);
    if (t.path == name || part_of(t) == name) return i + 1;
  }
  return 0;
}

std::vector<std::string> names_of(const Trace& trace, const std::vector<int>& positions) {
  std::vector<std::string> names;
  names.reserve(positions.size());
  for (const int cut : positions) names.push_back(name_of_cut(trace, cut));
  return names;
}

std::string unknown_name(const Trace& trace, const std::string& text) {
  const std::vector<std::string> names = names_of(trace, cuts(trace));
  std::string hint = base::did_you_mean(text, names);
  if (hint.empty() && !names.empty()) {
    hint = fmt::format("; name a block, as \"{}\", a layer, or a position from 1 to {}",
                       names[names.size() / 2], size_of(trace) - 1);
  }
  return fmt::format("\"{}\" is no part of the model{}", text, hint);
}

// "; the nearest cut is "block3" (position 20)"
std::string nearest_hint(const Trace& trace, int position) {
  const int cut = nearest_cut(trace, position);
  if (cut == 0) return "; this model cannot be cut";
  return fmt::format("; the nearest cut is \"{}\" (position {})", name_of_cut(trace, cut), cut);
}

}  // namespace

Stage whole(const Trace& trace) { return {0, size_of(trace)}; }

std::vector<Stage> stages_between(const Trace& trace, const std::vector<int>& positions) {
  std::vector<Stage> stages;
  int first = 0;
  for (const int cut : positions) {
    check(trace, cut);
    stages.push_back({first, cut});
    first = cut;
  }
  stages.push_back({first, size_of(trace)});
  for (const Stage& stage : stages) check(trace, stage);
  return stages;
}

std::vector<int> crossing(const Trace& trace, int cut) {
  check(trace, cut);
  return all_crossing(trace)[static_cast<std::size_t>(cut)];
}

Shape shape_of(const Trace& trace, int tensor) {
  if (tensor == 0) return trace.layers.front().in;
  const int maker = makers(trace).at(static_cast<std::size_t>(tensor));
  return layer_at(trace, maker).out;
}

bool is_token_numbers(const Trace& trace, int tensor) {
  return tensor == 0 && trace.layers.front().layer->kind == LayerKind::embedding;
}

bool has_gradient(const Trace& trace, int tensor) {
  return tensors_with_gradient(trace, Phase::weights).at(static_cast<std::size_t>(tensor));
}

double bytes_of(const Trace& trace, int tensor, int batch, Precision precision) {
  constexpr double token_bytes = 8;  // LibTorch's indices are 64-bit
  const bool half =
      precision == Precision::fp16 || (precision == Precision::fp16_mixed && tensor > 0);
  const double each = is_token_numbers(trace, tensor) ? token_bytes : half ? half_word : word;
  return shape_of(trace, tensor).elements() * batch * each;
}

double bytes_forward(const Trace& trace, int cut, int batch, Precision precision) {
  double sum = 0;
  for (const int tensor : crossing(trace, cut)) sum += bytes_of(trace, tensor, batch, precision);
  return sum;
}

double bytes_backward(const Trace& trace, int cut, int batch, Precision precision) {
  double sum = 0;
  for (const int tensor : crossing(trace, cut)) {
    if (has_gradient(trace, tensor)) sum += bytes_of(trace, tensor, batch, precision);
  }
  return sum;
}

std::uint64_t largest_crossing(const Architecture& architecture, int batch) {
  constexpr double label_bytes = 8;
  constexpr int batches = 2;  // a last batch may hold a rest as well
  const Trace trace = engine::trace(architecture, full_submodel(architecture));
  double most = 0;
  for (int cut = 1; cut < size_of(trace); ++cut) {
    most =
        std::max(most, bytes_forward(trace, cut, batches * batch) + label_bytes * batches * batch);
  }
  return std::max(static_cast<std::uint64_t>(most), largest_parcel(architecture));
}

std::vector<int> cuts(const Trace& trace) {
  const auto by_cut = all_crossing(trace);
  std::vector<int> single;
  for (int cut = 1; cut < size_of(trace); ++cut) {
    if (values_in(trace, by_cut[static_cast<std::size_t>(cut)]) == 1) single.push_back(cut);
  }
  return single;
}

std::vector<WideCut> wide_cuts(const Trace& trace) {
  const auto by_cut = all_crossing(trace);
  std::vector<WideCut> wide;
  for (int cut = 1; cut < size_of(trace); ++cut) {
    const std::vector<int>& tensors = by_cut[static_cast<std::size_t>(cut)];
    const int values = values_in(trace, tensors);
    if (values < 2) continue;
    double bytes = 0;
    for (const int tensor : tensors) bytes += bytes_of(trace, tensor, 1);
    wide.push_back({cut, values, bytes});
  }
  return wide;
}

int cut_after(const Trace& trace, const std::string& name) {
  const int position = position_after(trace, name);
  if (position == 0) throw base::UserError(unknown_name(trace, name));
  if (position < size_of(trace)) return position;
  throw base::UserError(fmt::format("there is nothing behind \"{}\" to cut off{}", name,
                                    nearest_hint(trace, position)));
}

std::string name_of_cut(const Trace& trace, int cut) {
  check(trace, cut);
  const TracedLayer& before = layer_at(trace, cut - 1);
  const std::string part = part_of(before);
  return part == part_of(layer_at(trace, cut)) ? before.path : part;
}

int nearest_cut(const Trace& trace, int position) {
  int best = 0;
  for (const int cut : cuts(trace)) {
    if (best == 0 || std::abs(cut - position) < std::abs(best - position)) best = cut;
  }
  return best;
}

int read_cut(const Trace& trace, const std::string& text, const std::string& key) {
  const auto number = base::as_integer(text);
  const int size = size_of(trace);
  if (number && (*number < 1 || *number >= size)) {
    const int position = *number < 1 ? 1 : size - 1;
    throw base::UserError(fmt::format("{}: {} is no position between two of the {} layers{}", key,
                                      *number, size, nearest_hint(trace, position)));
  }
  int cut = 0;
  try {
    cut = number ? static_cast<int>(*number) : cut_after(trace, text);
  } catch (const base::UserError& error) {
    throw base::UserError(fmt::format("{}: {}", key, error.what()));
  }
  const int values = values_in(trace, crossing(trace, cut));
  if (values == 1) return cut;
  throw base::UserError(fmt::format("{}: at \"{}\" {} tensors cross instead of one{}", key, text,
                                    values, nearest_hint(trace, cut)));
}

double parameters(const Trace& trace, const Stage& stage) {
  check(trace, stage);
  double sum = 0;
  for (int i = stage.first; i < stage.last; ++i) sum += layer_at(trace, i).parameters;
  return sum;
}

double buffers(const Trace& trace, const Stage& stage) {
  check(trace, stage);
  double sum = 0;
  for (int i = stage.first; i < stage.last; ++i) sum += layer_at(trace, i).buffers;
  return sum;
}

int parameter_tensors(const Trace& trace, const Stage& stage) {
  check(trace, stage);
  int sum = 0;
  for (int i = stage.first; i < stage.last; ++i) sum += layer_at(trace, i).parameter_tensors;
  return sum;
}

double transfer_bytes(const Trace& trace, const Stage& stage) {
  return (parameters(trace, stage) + buffers(trace, stage)) * bytes_per_value;
}

bool needs_two_samples(const Trace& trace, const Stage& stage) {
  for (int i = stage.first; i < stage.last; ++i) {
    const TracedLayer& t = layer_at(trace, i);
    if (t.layer->kind == LayerKind::batch_norm && t.in.positions() == 1) return true;
  }
  return false;
}

int exits_in(const Trace& trace, const Stage& stage) {
  check(trace, stage);
  int count = 0;
  for (int i = stage.first; i < stage.last; ++i) {
    if (ends_exit(trace, static_cast<std::size_t>(i))) ++count;
  }
  return count;
}

}  // namespace convoy::engine
