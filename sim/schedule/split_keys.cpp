#include "sim/schedule/split_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/model/stage.hpp"
#include "engine/model/submodel.hpp"
#include "engine/model/trace.hpp"

namespace convoy::sim {
namespace {

// A name or a position.
std::string read_place(base::TableReader& own, const base::Key& key) {
  std::string place;
  for (const bool number : own.either<std::int64_t>(key.name)) {
    if (number) {
      const auto position = own.maybe_integer(key, base::at_least(1).up_to(1e6));
      if (position) place = std::to_string(*position);
    } else {
      place = own.text(key, "");
    }
  }
  return place;
}

}  // namespace

SplitKeys read_split_keys(base::TableReader& own) {
  SplitKeys keys;
  keys.cut = read_place(
      own, {"cut", "a device has the layers up to this block or layer, or so many of them",
            "behind the first block"});
  keys.labels_stay =
      own.choice({"labels", "who has the labels, and with them the model's last layers"},
                 SplitKeys::label_words, keys.labels_stay);
  if (keys.labels_stay) {
    keys.tail =
        read_place(own, {"tail", "the device also has the layers behind this block or layer",
                         "the last possible cut"});
  }
  keys.recompute = own.flag(
      {"recompute", "activations are computed again for the backward pass instead of kept"},
      keys.recompute);
  return keys;
}

WhenFull read_when_full(base::TableReader& own) {
  static constexpr base::Words<WhenFull> words = {{WhenFull::wait, "wait"},
                                                  {WhenFull::refuse, "refuse"}};
  return own.choice({"memory",
                     "a task for which the server's or a device's memory has no room now, since "
                     "others are at work there: waits for those before it, or is refused"},
                    words, WhenFull::wait);
}

int default_cut(const engine::Trace& trace) {
  const auto is_first_block = [](const engine::TracedLayer& t) {
    return t.path.substr(0, t.path.find('.')) == "block1";
  };
  int end = 0;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    if (is_first_block(trace.layers[i])) end = static_cast<int>(i) + 1;
  }
  return engine::nearest_cut(trace, std::max(1, end));
}

SplitWork split_of(const SplitKeys& keys, const Setting& setting, const std::string& table) {
  const engine::Architecture& a = *setting.architecture;
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  SplitWork work{.recompute = keys.recompute};
  const std::vector<int> cuts = engine::cuts(trace);
  if (cuts.empty()) {
    throw base::UserError(
        fmt::format("{}.cut: {} cannot be cut anywhere; choose another model", table, a.name));
  }
  work.cut =
      keys.cut.empty() ? default_cut(trace) : engine::read_cut(trace, keys.cut, table + ".cut");
  if (!keys.labels_stay) return work;
  work.tail = keys.tail.empty() ? cuts.back() : engine::read_cut(trace, keys.tail, table + ".tail");
  if (work.tail > work.cut) return work;
  throw base::UserError(fmt::format(
      "{}.tail: the device has all layers up to \"{}\" (position {}) by {}.cut, and the "
      "tail begins at \"{}\" (position {}); it must begin behind the cut",
      table, engine::name_of_cut(trace, work.cut), work.cut, table,
      engine::name_of_cut(trace, work.tail), work.tail));
}

}  // namespace convoy::sim
