#include "sim/scenario/fleet_expansion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace convoy::sim {
namespace {

using base::at_least;
using base::TableReader;

// [fleet.mix]: devices with weights, the number of nodes, and their common keys.
struct Mix {
  std::int64_t nodes = 0;
  std::vector<std::pair<std::string, double>> weights;
  base::Value each;
};

Mix read_mix(TableReader reader) {
  constexpr double most = 1e6;
  Mix mix;
  mix.nodes = reader.integer({"nodes", "number of nodes of all devices together"},
                             at_least(1).up_to(most), 16);
  reader.describe({"each", "common keys of all nodes, as in [[fleet.nodes]]"},
                  {.type = base::KeyType::table, .like = "fleet.nodes.N"});
  if (const base::Value* given = reader.raw("each")) mix.each = *given;
  if (mix.each.as<base::Value::Table>() == nullptr) {
    reader.error("each",
                 "expected a table of the nodes' common keys, such as { link = \"wifi5\" }");
  }
  TableReader shares = reader.table({"shares", "weights of the devices among the nodes"});
  double sum = 0;
  for (const std::string& device : shares.keys("DEVICE")) {
    mix.weights.emplace_back(device, shares.number({device, "weight of this device among all"},
                                                   at_least(0).up_to(most)));
    sum += mix.weights.back().second;
  }
  reader.finish();
  if (sum <= 0) {
    reader.error("shares",
                 "expected weights of devices, such as { "
                 "jetson-nano = 0.25, jetson-agx-orin-64gb = 0.75 }");
  }
  return mix;
}

// Expands [fleet.mix] into groups of nodes.
void expand_mix(base::Value& root, base::Diagnostics& problems) {
  base::Value* fleet = root.find("fleet");
  const base::Value* mix = fleet != nullptr ? fleet->find("mix") : nullptr;
  if (mix == nullptr) return;
  const base::Location where = mix->where;
  if (fleet->find("nodes") != nullptr) {
    problems.error(where, "fleet.mix: give either mix, or nodes or use");
    return;
  }
  const int before = problems.errors();
  const Mix read = read_mix(TableReader(*mix, "fleet.mix", problems));
  if (problems.errors() > before) return;
  double sum = 0;
  for (const auto& [device, weight] : read.weights) sum += weight;
  // Whole nodes: shares are rounded down; the remaining nodes go to the largest remainders.
  std::vector<std::pair<double, std::size_t>> lost;
  std::vector<std::int64_t> counts;
  std::int64_t left = read.nodes;
  for (std::size_t i = 0; i < read.weights.size(); ++i) {
    const double exact = static_cast<double>(read.nodes) * read.weights[i].second / sum;
    counts.push_back(static_cast<std::int64_t>(exact + 1e-9));
    left -= counts.back();
    lost.emplace_back(static_cast<double>(counts.back()) - exact, i);
  }
  std::sort(lost.begin(), lost.end());
  for (std::size_t k = 0; left > 0; ++k, --left) ++counts[lost[k % lost.size()].second];
  base::Value::Array groups;
  for (std::size_t i = 0; i < read.weights.size(); ++i) {
    if (counts[i] == 0) continue;
    base::Value group = read.each;
    group.where = where;
    group.set("device", base::Value(read.weights[i].first, where));
    group.set("count", base::Value(counts[i], where));
    groups.push_back(std::move(group));
  }
  fleet->erase("mix");
  fleet->set("nodes", base::Value(std::move(groups), where));
}

}  // namespace

void describe_mix(TableReader reader) { read_mix(std::move(reader)); }

void expand_fleet(base::Value& root, platforms::Catalogue& catalogue, base::Diagnostics& problems) {
  expand_mix(root, problems);
  base::Value* fleet = root.find("fleet");
  const base::Value* use = fleet != nullptr ? fleet->find("use") : nullptr;
  if (use == nullptr || use->as<std::string>() == nullptr) return;  // reported by read_fleet
  const base::Location where = use->where;
  const std::string name = *use->as<std::string>();
  const base::Value* file = catalogue.fleet(name);
  if (file == nullptr) {
    if (platforms::Catalogue::is_path(name)) return;  // reported by the catalogue
    const auto names = platforms::Catalogue::fleet_names();
    problems.error(where,
                   fmt::format("fleet.use: \"{}\" is not in the catalogue (known: {}; or a "
                               "path to a .toml file){}",
                               name, base::list_of(names, "and"), base::did_you_mean(name, names)));
    return;
  }
  if (fleet->find("nodes") != nullptr) {
    problems.error(where, "fleet.use: give either use or nodes");
    return;
  }
  for (const base::Entry& e : *file->as<base::Value::Table>()) {
    const bool known = e.key == "nodes" || e.key == "server" || e.key == "shared_links";
    if (!known && e.key != "name" && e.key != "description") {
      problems.error(e.where, fmt::format("unknown key \"{}\" in a fleet", e.key));
    }
    if (known && fleet->find(e.key) == nullptr) fleet->set(e.key, e.value);
  }
  fleet->erase("use");
}

}  // namespace convoy::sim
