#include "sim/schedule/heterofl.hpp"

#include <algorithm>
#include <set>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::heterofl() {
  return schedule_kind<HeteroFL>(
      "heterofl", "rounds of nested submodels, as wide as a node's memory allows", read_heterofl);
}

void read_narrow_training(base::TableReader& own, engine::LearningRules& learning) {
  learning.labels.masked = own.flag(
      {"masked_loss", "scores of labels that a node has none of are 0 in its training and test"},
      true);
  learning.scaled = own.flag(
      {"scaler", "in training the layers' outputs of a submodel are divided by its rate"}, false);
}

HeteroFLOptions read_heterofl(base::TableReader& common, base::TableReader& own) {
  HeteroFLOptions options{
      read_rounds_by_width(common, own, engine::Selection::nested, "holders-by-label")};
  engine::LearningRules& learning = options.clients.learning;
  read_narrow_training(own, learning);
  options.draws_rates =
      own.choice({"mode", "a node keeps its rate, or draws one not above it in each round"},
                 HeteroFLOptions::modes, options.draws_rates);
  learning.static_norms = own.choice(
      {"batch_norm", "running statistics from a pass of all data on the server, or from training"},
      HeteroFLOptions::norms, true);
  options.clients.statistics_every = static_cast<int>(
      own.integer({"statistics_every", "aggregations from one such pass to the next"},
                  base::at_least(1).up_to(1e9), options.clients.statistics_every));
  options.clients.statistics.batch =
      static_cast<int>(own.integer({"statistics_batch", "samples of a batch of such a pass"},
                                   base::at_least(2).up_to(1e6), options.clients.statistics.batch));
  return options;
}

HeteroFL::HeteroFL(const std::shared_ptr<const Setting>& setting, const HeteroFLOptions& options)
    : Rounds(setting, static_cast<const RoundsOptions&>(options)),
      seed_(setting->seed),
      draws_rates_(options.draws_rates) {
  if (!options.clients.rates) return;
  std::set<double> rates;
  for (const auto& [gb, rate] : options.clients.rates->values()) rates.insert(rate);
  rates_.assign(rates.begin(), rates.end());
}

// By the seed, the round and the node alone.
double HeteroFL::drawn_rate(std::int64_t round, NodeId node) const {
  const auto end = std::ranges::upper_bound(rates_, clients_.rate(node));
  constexpr std::uint64_t purpose = 0x64796e616d6963ULL;
  base::Random random(
      {seed_, static_cast<std::uint64_t>(round), static_cast<std::uint64_t>(node), purpose});
  return rates_[random.below(static_cast<std::uint64_t>(end - rates_.begin()))];
}

void HeteroFL::add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) {
  if (!draws_rates_) {
    Rounds::add_tasks(round, nodes, orders);
    return;
  }
  for (const NodeId node : nodes) add_task(node, orders, {.rate = drawn_rate(round, node)});
}

}  // namespace convoy::sim
