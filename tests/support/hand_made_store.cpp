#include "tests/support/hand_made_store.hpp"

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
  row.kind = "compute";
  row.label = label;
  row.node = node;
  row.ready_s = start_s;
  row.start_s = start_s;
  row.end_s = start_s + took_s;
  return row;
}

sim::ActivityRow& HandMadeStore::transfer(std::int64_t from, std::int64_t to,
                                          const std::string& label, double start_s, double took_s) {
  sim::ActivityRow& row = compute(from, label, start_s, took_s);
  row.kind = "transfer";
  row.peer = to;
  return row;
}

HandMadeStore& HandMadeStore::version(std::int64_t version, double end_s) {
  sim::AggregationRow row;
  row.version = version;
  row.end_s = end_s;
  versions_.push_back(row);
  return *this;
}

std::filesystem::path HandMadeStore::write() {
  sim::StoreWriter store(folder_, run, nodes_, sim::StoreMode::create);
  for (const sim::ActivityRow& row : activities_) store.add(row);
  for (const sim::AggregationRow& row : versions_) store.add(row);
  store.finish(end, {}, {});
  return folder_;
}

}  // namespace convoy::test
