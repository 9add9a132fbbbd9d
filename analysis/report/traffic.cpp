#include "analysis/report/traffic.hpp"

#include <set>
#include <string>
#include <vector>

#include "analysis/report/columns.hpp"
#include "sim/store/traffic_sums.hpp"

namespace convoy::analysis {

Json traffic_json(const RunTables& run) {
  std::vector<sim::TrafficSum> rows = sim::traffic_sums(run.traffic);
  std::set<std::string> classes;
  const auto by_class = sim::traffic_sums(run.traffic, [&](std::int64_t id) {
    const sim::NodeRow& node = run.nodes[id];
    return *classes.insert(node.device + " " + node.mode).first;
  });
  if (classes.size() > 1) rows.insert(rows.end(), by_class.begin(), by_class.end());
  return {{"label", column(rows, &sim::TrafficSum::label)},
          {"artifact", column(rows, &sim::TrafficSum::artifact)},
          {"way", column(rows, [](const auto& r) { return name_of(sim::way_words, r.way); })},
          {"class", column(rows, &sim::TrafficSum::group)},
          {"devices", column(rows, &sim::TrafficSum::devices)},
          {"transfers", column(rows, &sim::TrafficSum::transfers)},
          {"bytes", column(rows, &sim::TrafficSum::bytes)},
          {"share", column(rows, &sim::TrafficSum::share)},
          {"mean_bytes", column(rows, &sim::TrafficSum::mean_bytes)},
          {"least_bytes", column(rows, &sim::TrafficSum::least_bytes)},
          {"most_bytes", column(rows, &sim::TrafficSum::most_bytes)},
          {"broken_off", column(rows, &sim::TrafficSum::broken_off)}};
}

}  // namespace convoy::analysis
