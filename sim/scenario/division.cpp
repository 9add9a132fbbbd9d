#include "sim/scenario/division.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace convoy::sim {
namespace {

// Number of samples if there is no data source.
constexpr std::int64_t samples_without_source = 60'000;

std::string name_of(const Fleet& fleet, std::size_t node) {
  return fleet.nodes[node].name.of(static_cast<NodeId>(node));
}

void check_partition(const engine::PartitionOptions& partition, std::size_t workers,
                     std::size_t samples) {
  const double pieces = static_cast<double>(partition.shards) * static_cast<double>(workers);
  if (partition.kind == engine::PartitionKind::shards && pieces > static_cast<double>(samples)) {
    throw base::UserError(fmt::format(
        "data.partition.shards: {} pieces of {} samples; use fewer shards or more samples", pieces,
        samples));
  }
  if (partition.least > 1 && static_cast<double>(partition.least) * static_cast<double>(workers) >
                                 static_cast<double>(samples)) {
    throw base::UserError(fmt::format(
        "data.partition.least: {} samples for each of {} nodes, but there are only {}; lower "
        "it, or use more samples",
        partition.least, workers, samples));
  }
}

// Neighbours that are alike and have as many samples go on sharing what is kept of them.
template <class SamplesOf>
void set_samples(Setting& setting, SamplesOf samples_of) {
  const ByGroup<NodeSetting> before = std::exchange(setting.nodes, {});
  for (std::size_t g = 0; g < before.group_count(); ++g) {
    const auto group = before.group(g);
    for (std::size_t i = group.first; i < group.end; ++i) {
      const std::int64_t samples = i == 0 ? 0 : samples_of(i);
      if (i > group.first && std::as_const(setting.nodes).back().samples == samples) {
        setting.nodes.repeat_last();
        continue;
      }
      NodeSetting node = *group.value;
      node.samples = samples;
      setting.nodes.push_back(std::move(node));
    }
  }
}

void divide_unseen(const Scenario& scenario, const Fleet& fleet, Setting& setting) {
  const std::size_t workers = fleet.nodes.size() - 1;
  const bool given = std::all_of(std::next(fleet.samples.begin()), fleet.samples.end(),
                                 [](const auto& s) { return s.has_value(); });
  const auto samples =
      static_cast<std::size_t>(scenario.data.samples.value_or(samples_without_source));
  check_partition(scenario.data.partition, workers, samples);
  std::vector<std::int64_t> sizes(workers);
  if (!given) {
    sizes = engine::partition_sizes(samples, scenario.model.classes, static_cast<int>(workers),
                                    scenario.data.partition, scenario.seed);
  }
  set_samples(setting, [&](std::size_t i) {
    const auto part = static_cast<double>(sizes[i - 1]);
    // As in split_local(): a node with samples trains on at least one.
    const double kept = std::max(std::floor(part * (1 - scenario.data.local_test_share) + 1e-9),
                                 std::min(part, 1.0));
    return fleet.samples[i].value_or(static_cast<std::int64_t>(kept));
  });
}

}  // namespace

void divide_data(Scenario& scenario, const Fleet& fleet, Setting& setting,
                 std::vector<std::string>& remarks) {
  if (!scenario.source) {
    divide_unseen(scenario, fleet, setting);
    return;
  }
  const std::vector<int>& labels = scenario.source->labels();
  const auto workers = static_cast<int>(fleet.nodes.size()) - 1;
  check_partition(scenario.data.partition, static_cast<std::size_t>(workers), labels.size());
  engine::PartitionReport report;
  const auto parts = engine::partition(labels, scenario.source->shape().classes, workers,
                                       scenario.data.partition, scenario.seed, &report);
  if (report.moved > 0) {
    remarks.push_back(fmt::format(
        "data.partition: in the best of {} draws {} of {} nodes had fewer than least = {} "
        "sample(s); they were given {} from the nodes with the most",
        report.draws, report.short_nodes, workers, scenario.data.partition.least, report.moved));
  }
  scenario.parts.assign(1, {});  // the server's
  for (std::size_t i = 1; i < fleet.nodes.size(); ++i) {
    engine::LocalSplit split =
        engine::split_local(parts[i - 1], labels, scenario.data.local_test_share, scenario.seed,
                            static_cast<std::int64_t>(i));
    if (fleet.samples[i]) {
      const auto wanted = static_cast<std::size_t>(*fleet.samples[i]);
      if (wanted > split.train.size()) {
        throw base::UserError(fmt::format(
            "node {}: samples = {}, but its part of the data has {}; lower it, or raise "
            "data.samples",
            name_of(fleet, i), wanted, split.train.size()));
      }
      split.train.resize(wanted);
    }
    // With least = 0 a node may stay without samples; preflight() reports it.
    const engine::PartitionOptions& partition = scenario.data.partition;
    if (split.train.empty() && scenario.training.learn && partition.least > 0) {
      const bool can_be_spread = partition.kind != engine::PartitionKind::iid &&
                                 labels.size() > 2 * static_cast<std::size_t>(workers);
      throw base::UserError(fmt::format(
          "node {}: the partition leaves it without data to train on; use more samples or fewer "
          "nodes{}",
          name_of(fleet, i), can_be_spread ? ", or raise data.partition.least" : ""));
    }
    scenario.parts.push_back(std::move(split));
  }
  set_samples(setting, [&](std::size_t i) {
    return static_cast<std::int64_t>(scenario.parts[i].train.size());
  });
}

}  // namespace convoy::sim
