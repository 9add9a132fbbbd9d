#include "sim/scenario/sweep.hpp"

#include <algorithm>
#include <utility>

#include "sim/scenario/axes.hpp"
#include "sim/scenario/scenario_tree.hpp"

namespace convoy::sim {

using base::Diagnostics;
using base::Value;

struct Sweep::Data {
  std::string path;
  Value tree;  // without [sweep]
  std::vector<Change> overrides;
  Scenario base;
  std::vector<SweepAxis> axes;

  // The changes of a point; the last axis varies fastest.
  [[nodiscard]] std::vector<Change> changes(std::size_t point) const {
    std::vector<std::size_t> choice(axes.size());
    for (std::size_t i = axes.size(); i-- > 0;) {
      choice[i] = point % axes[i].choices.size();
      point /= axes[i].choices.size();
    }
    std::vector<Change> all;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto& chosen = axes[i].choices[choice[i]];
      all.insert(all.end(), chosen.begin(), chosen.end());
    }
    return all;
  }
};

std::optional<Sweep> Sweep::read(const std::string& path, const std::vector<Override>& overrides,
                                 Diagnostics& problems) {
  auto data = std::make_shared<Data>();
  data->path = path;
  data->tree = base::read_toml_file(path, problems);
  data->overrides = changes_of(overrides);
  auto base = read_tree(data->tree, path, data->overrides, problems, &data->axes);
  if (!base) return std::nullopt;
  data->base = std::move(*base);
  data->tree.erase("sweep");
  Sweep sweep;
  sweep.data_ = std::move(data);
  return sweep;
}

const Scenario& Sweep::base() const { return data_->base; }

std::size_t Sweep::size() const {
  std::size_t all = 1;
  for (const SweepAxis& axis : data_->axes) all *= axis.choices.size();
  return all;
}

std::vector<std::string> Sweep::keys() const {
  std::vector<std::string> all;
  for (const SweepAxis& axis : data_->axes) {
    all.insert(all.end(), axis.keys.begin(), axis.keys.end());
  }
  return all;
}

std::vector<std::string> Sweep::settings(std::size_t point) const {
  std::vector<std::string> values(keys().size());
  const std::vector<std::string> names = keys();
  for (const Change& change : data_->changes(point)) {
    const auto at = std::find(names.begin(), names.end(), change.path) - names.begin();
    values[static_cast<std::size_t>(at)] = base::to_text(change.value);
  }
  return values;
}

std::optional<Scenario> Sweep::scenario(std::size_t point, Diagnostics& problems) const {
  std::vector<Change> all = data_->overrides;
  const std::vector<Change> changes = data_->changes(point);
  all.insert(all.end(), changes.begin(), changes.end());
  // Warnings have been reported for the whole sweep.
  Diagnostics found;
  auto scenario = read_tree(data_->tree, data_->path, all, found, nullptr, true);
  for (const base::Diagnostic& d : found.all()) {
    if (d.severity == base::Severity::error) problems.add(d);
  }
  return scenario;
}

}  // namespace convoy::sim
