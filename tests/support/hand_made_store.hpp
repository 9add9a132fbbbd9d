#pragma once

// Stores written row by row, whose figures can be worked out by hand.

#include <filesystem>
#include <string>
#include <vector>

#include "sim/store/store.hpp"

namespace convoy::test {

class HandMadeStore {
 public:
  explicit HandMadeStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Ids are handed out as given; 0 is the server.
  HandMadeStore& node(std::int64_t id, const std::string& name, const std::string& backend = "sim");
  // A computation of one iteration; what it returns can be changed until it is written.
  sim::ActivityRow& compute(std::int64_t node, const std::string& label, double start_s,
                            double took_s);
  sim::ActivityRow& transfer(std::int64_t from, std::int64_t to, const std::string& label,
                             double start_s, double took_s);
  HandMadeStore& version(std::int64_t version, double end_s);

  sim::RunRow run{"hand-made", "fedavg", 1, "", "0", "0.1.0", "none"};
  sim::RunEnd end;

  // Gives the folder.
  std::filesystem::path write();

 private:
  std::filesystem::path folder_;
  std::vector<sim::NodeRow> nodes_;
  std::vector<sim::ActivityRow> activities_;
  std::vector<sim::AggregationRow> versions_;
};

}  // namespace convoy::test
