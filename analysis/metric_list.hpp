#pragma once

// The metrics by which runs are compared: names, units, whether more or less is better, values.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/metrics.hpp"
#include "base/words.hpp"

namespace convoy::analysis {

enum class Unit { seconds, bytes, joules, joule_seconds, samples_per_joule, share, count };
inline constexpr base::Words<Unit> unit_words = {{Unit::seconds, "s"},
                                                 {Unit::bytes, "bytes"},
                                                 {Unit::joules, "J"},
                                                 {Unit::joule_seconds, "J s"},
                                                 {Unit::samples_per_joule, "samples/J"},
                                                 {Unit::share, "share"},
                                                 {Unit::count, "count"}};

enum class Better { none, less, more };
inline constexpr base::Words<Better> better_words = {
    {Better::none, ""}, {Better::less, "less"}, {Better::more, "more"}};

struct Metric {
  std::string key;    // as in `convoy run --json`, if it is there
  std::string title;  // for people
  Unit unit = Unit::count;
  Better better = Better::none;
  bool usual = true;             // shown in tables unless others are asked for
  std::optional<double> target;  // of costs until an accuracy is reached: this accuracy
  std::string note;              // explains the title if needed: the source of a target accuracy

  // Unique, also with several targets: "energy_j", "time_to_accuracy_s@0.8".
  [[nodiscard]] std::string id() const;
};

// A run's values by Metric::id(). A value that is not known, or not finite, is absent.
using MetricValues = std::map<std::string, double>;

// True for what depends on what was learned: accuracies, and the costs of reaching one.
bool is_learned(const Metric& metric);

// Metrics of whole runs, in the order of tables.
const std::vector<Metric>& run_metrics();
// The values of those for a run.
MetricValues values_of(const RunFigures& run);
// Adds those that follow from others: bytes; energy x time and samples per joule, both with the
// workers' energy.
void add_derived(MetricValues& values);

// Costs until a run first reaches an accuracy: time, bytes, energy, energy x time.
std::vector<Metric> metrics_to(const Level& level);
// Adds their values; none if the accuracy is never reached.
void add_values_to(const Level& level, const Curve& curve, MetricValues& values);

// The chosen ones of `metrics`, in the order of `wanted`: by key, by title or by a part of the
// title; "all": all of them. Without `wanted`: the usual ones. Throws base::UserError for unknown
// names.
std::vector<Metric> chosen(const std::vector<Metric>& metrics,
                           const std::vector<std::string>& wanted);

}  // namespace convoy::analysis
