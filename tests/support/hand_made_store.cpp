#include "tests/support/hand_made_store.hpp"

#include <algorithm>
#include <utility>

namespace convoy::test {

HandMadeStore& HandMadeStore::node(std::int64_t id, const std::string& name,
                                   const std::string& backend) {
  sim::NodeRow row;
  row.id = id;
  row.name = name;
  row.backend = backend;
  nodes_.push_back(std::move(row));
  return *this;
}

sim::ActivityRow& HandMadeStore::compute(std::int64_t node, const std::string& label,
                                         double start_s, double took_s) {
  sim::ActivityRow& row = activities_.emplace_back();
  row.task = static_cast<std::int64_t>(activities_.size());
  row.label = label;
  row.node = node;
  row.ready_s = start_s;
  row.start_s = start_s;
  row.end_s = start_s + took_s;
  return row;
}

namespace {

// The id of the task that makes a version.
std::int64_t aggregation_task(std::int64_t version) { return 1'000'000'000'000 + version - 1; }

}  // namespace

sim::ActivityRow& HandMadeStore::transfer(std::int64_t from, std::int64_t to,
                                          const std::string& label, double start_s, double took_s) {
  sim::ActivityRow& row = compute(from, label, start_s, took_s);
  row.is_transfer = true;
  row.peer = to;
  return row;
}

HandMadeStore& HandMadeStore::version(std::int64_t version, double end_s) {
  sim::AggregationRow row;
  row.version = version;
  row.task = aggregation_task(version);
  row.end_s = end_s;
  versions_.push_back(row);
  return *this;
}

sim::TaskRow& HandMadeStore::task(std::int64_t id, std::int64_t node, double assigned_s,
                                  double ended_s, std::int64_t version) {
  sim::TaskRow& row = tasks_.emplace_back();
  row.id = id;
  row.node = node;
  row.label = "train";
  row.assigned_s = assigned_s;
  row.ended_s = ended_s;
  row.outcome = "buffered";
  if (version > 0) {
    row.outcome = "aggregated";
    row.aggregated_version = version;
    row.staleness = 0;
  }
  return row;
}

sim::AggregationRow& HandMadeStore::aggregation(std::int64_t version, double start_s,
                                                double end_s) {
  sim::AggregationRow& row = versions_.emplace_back();
  row.version = version;
  row.task = aggregation_task(version);
  row.start_s = start_s;
  row.end_s = end_s;
  return row;
}

sim::EvaluationRow& HandMadeStore::evaluation(std::int64_t version, double time_s,
                                              double accuracy) {
  sim::EvaluationRow& row = evaluations_.emplace_back();
  row.version = version;
  row.time_s = time_s;
  row.judged = true;
  row.top1 = accuracy;
  row.loss = 1 - accuracy;
  return row;
}

HandMadeStore& HandMadeStore::event(const std::string& kind, double time_s, std::int64_t node,
                                    std::int64_t task) {
  const auto sequence = static_cast<std::int64_t>(journal_.size());
  journal_.push_back({sequence, time_s, false, kind, node, task, ""});
  return *this;
}

HandMadeStore& HandMadeStore::order(const std::string& kind, double time_s, std::int64_t node,
                                    std::int64_t task) {
  event(kind, time_s, node, task);
  sim::JournalRow& row = journal_.back();
  row.is_order = true;
  const auto before = std::find_if(journal_.rbegin() + 1, journal_.rend(),
                                   [](const sim::JournalRow& r) { return !r.is_order; });
  if (before != journal_.rend()) row.because = before->sequence;
  if (kind != "aggregate") return *this;
  row.kind = "assign";
  row.node = 0;
  row.task = aggregation_task(++aggregations_ordered_);
  row.detail = "aggregate consumes=0 publishes";
  return *this;
}

HandMadeStore& HandMadeStore::plan(double time_s, const std::string& text) {
  order("planned", time_s);
  journal_.back().detail = text;
  return *this;
}

sim::TrafficRow& HandMadeStore::traffic(const std::string& label, const std::string& artifact,
                                        std::int64_t from, std::int64_t to, std::int64_t transfers,
                                        double bytes) {
  return traffic_.emplace_back(sim::TrafficRow{label, artifact, from, to, transfers, bytes, 0});
}

sim::NodeEnd& HandMadeStore::node_end(std::int64_t id) {
  sim::NodeEnd& row = node_ends_.emplace_back();
  row.id = id;
  return row;
}

std::filesystem::path HandMadeStore::write() {
  sim::StoreWriter store(folder_, run, nodes_, sim::StoreMode::create);
  for (const sim::ActivityRow& row : activities_) store.add(row);
  for (const sim::TaskRow& row : tasks_) store.add(row);
  for (const sim::AggregationRow& row : versions_) store.add(row);
  for (const sim::EvaluationRow& row : evaluations_) store.add(row);
  for (const sim::JournalRow& row : journal_) store.add(row);
  for (const sim::TrafficRow& row : traffic_) store.add(row);
  store.finish(end, {node_ends_.begin(), node_ends_.end()}, {});
  return folder_;
}

}  // namespace convoy::test
