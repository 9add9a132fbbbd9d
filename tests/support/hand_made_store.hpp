#pragma once

// Stores written row by row, whose figures can be computed by hand.

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "sim/store/store.hpp"

namespace convoy::test {

class HandMadeStore {
 public:
  explicit HandMadeStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Ids are used as given; 0 is the server.
  HandMadeStore& node(std::int64_t id, const std::string& name, const std::string& backend = "sim");
  // A compute in one iteration; the returned row can be changed until the store is written.
  sim::ActivityRow& compute(std::int64_t node, const std::string& label, double start_s,
                            double took_s);
  sim::ActivityRow& transfer(std::int64_t from, std::int64_t to, const std::string& label,
                             double start_s, double took_s);
  HandMadeStore& version(std::int64_t version, double end_s);
  // A worker's update; its outcome is "aggregated" unless `version` is 0.
  sim::TaskRow& task(std::int64_t id, std::int64_t node, double assigned_s, double ended_s,
                     std::int64_t version);
  sim::AggregationRow& aggregation(std::int64_t version, double start_s, double end_s);
  sim::EvaluationRow& evaluation(std::int64_t version, double time_s, double accuracy);
  // The next entries of the journal. The order "aggregate" belongs to the next version's task.
  HandMadeStore& event(const std::string& kind, double time_s, std::int64_t node = -1,
                       std::int64_t task = -1);
  HandMadeStore& order(const std::string& kind, double time_s, std::int64_t node = -1,
                       std::int64_t task = -1);
  // A plan: the text of the order.
  HandMadeStore& plan(double time_s, const std::string& text);
  // Complete transfers of one kind.
  sim::TrafficRow& traffic(const std::string& label, const std::string& artifact, std::int64_t from,
                           std::int64_t to, std::int64_t transfers, double bytes);
  // A node's figures at the end of the run.
  sim::NodeEnd& node_end(std::int64_t id);

  sim::RunRow run{"hand-made", "fedavg", 1, "", "0", "0.1.0", "none"};
  sim::RunEnd end;

  // Writes the store; gives its folder.
  std::filesystem::path write();

 private:
  std::filesystem::path folder_;
  std::vector<sim::NodeRow> nodes_;
  std::deque<sim::NodeEnd> node_ends_;
  // Deques, so that returned references stay valid.
  std::deque<sim::ActivityRow> activities_;
  std::deque<sim::TaskRow> tasks_;
  std::deque<sim::AggregationRow> versions_;
  std::deque<sim::EvaluationRow> evaluations_;
  std::deque<sim::TrafficRow> traffic_;
  std::vector<sim::JournalRow> journal_;
  std::int64_t aggregations_ordered_ = 0;
};

}  // namespace convoy::test
