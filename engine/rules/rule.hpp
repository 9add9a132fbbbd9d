#pragma once

// An aggregation rule: how updates become the next version of the model. A rule is one file of this
// folder and one line in registry.hpp. It sees numbers, no tensors and no LibTorch:
// engine/learning/aggregation.cpp goes through the model tensor by tensor and calls it.
//
//   const std::vector<double> shares = rule.shares(updates);    // once
//   rule.combine(elements, change);                             // for each stretch of a tensor
//
// For each element combine() gets sum_i share_i delta_i and sum_i share_i over the updates that
// hold it (0: none of them counts), delta_i being the change by update i; with needs().changes also
// each update's change. The result is added to the present version.
//
// Rules do not handle running statistics (batch norm): see aggregation.cpp.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/non_copyable.hpp"
#include "base/table_reader.hpp"

namespace convoy::engine {

// Facts about an update apart from its tensors.
struct UpdateFacts {
  double samples = 0;             // training samples of its node
  double rate = 1;                // of its submodel, (0, 1]
  std::int64_t steps = 0;         // of the optimizer
  std::int64_t base_version = 0;  // version it was trained from
  std::int64_t staleness = 0;     // present version minus base_version
};

// The updates of one aggregation, in their order.
class Updates : base::NonCopyable {
 public:
  virtual ~Updates() = default;

  [[nodiscard]] virtual std::size_t size() const = 0;
  // Of the run: nodes with data to train on, whether they have an update here or not.
  [[nodiscard]] virtual std::size_t nodes() const { return size(); }
  [[nodiscard]] virtual const UpdateFacts& facts(std::size_t update) const = 0;
  // |delta|_1 over the parameters.
  [[nodiscard]] virtual double change_l1(std::size_t update) const = 0;
  // |W - W_base|_1 over the parameters: how far the model has moved since. Needs `received`.
  [[nodiscard]] virtual double drift_l1(std::size_t update) const = 0;
};

// What a rule needs in addition to facts and sums.
struct Needs {
  bool received = false;  // weights that each update was trained from: versions are kept for this
  bool changes = false;   // every update's elements
  // A row of class scores (weights and bias of an exit's last layer) is held only by updates of
  // nodes that have samples of this class.
  bool labels = false;
  bool at_work = false;  // who else is at work: Elements::at_work
};

// `size` neighbouring elements of one tensor of the model.
struct Elements {
  std::size_t size = 0;
  const float* current = nullptr;          // the present version
  const double* sum = nullptr;             // sum of share x change over those that hold an element
  const float* weight = nullptr;           // sum of their shares
  const std::uint32_t* holders = nullptr;  // how many they are
  std::size_t updates = 0;                 // of the aggregation, whoever holds what
  // With needs().at_work: the samples of the nodes at work without an update in this aggregation
  // whose submodel holds an element, divided by the samples of all its updates; else null. A node
  // whose submodel is not known counts by the chance that it holds the element.
  const float* at_work = nullptr;
  std::span<const double> shares;  // by update, as the rule gave them
  // With needs().changes, by update: its elements (0 where it does not hold one), whether it holds
  // them, and with needs().received what it was trained from.
  std::span<const float* const> changes;
  std::span<const std::uint8_t* const> holds;
  std::span<const float* const> received;
  // By slot of the rule's state, to be read and updated; 0 before the first aggregation.
  std::span<float* const> state;
  std::int64_t aggregations = 0;  // previous ones by this rule, if it has a state
};

class Rule : base::NonCopyable {
 public:
  virtual ~Rule() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual Needs needs() const { return {}; }
  // Names of the rule's state slots: each has one FP32 number per parameter of the model.
  [[nodiscard]] virtual std::vector<std::string> state() const { return {}; }

  // Shares of the updates, each at least 0. Default: proportional to their samples.
  [[nodiscard]] virtual std::vector<double> shares(const Updates& updates) const;
  // Expected sum of the shares: 1 for averaging rules. A run fails if the sum differs.
  [[nodiscard]] virtual double shares_sum(const Updates& /*updates*/) const { return 1; }

  // Changes of the elements. Called for all elements; results for elements without holders are
  // ignored. Default: the mean over the updates that hold an element, by their shares.
  virtual void combine(const Elements& elements, std::span<double> change) const;
};

// Shares proportional to weights (at least 0), with sum 1; equal shares if all are 0.
std::vector<double> in_proportion(std::vector<double> weights);

// Options of an aggregation.
struct AggregationOptions {
  std::shared_ptr<const Rule> rule;  // null: coverage
  // Upper limit for an update's root mean square, relative to the median of the others'; larger
  // updates are scaled down. 0: no limit. engine/learning/guarded_merge.hpp
  double norm_bound = 0;
};

// A rule kind that scenarios can name.
struct RuleKind {
  std::string name;
  std::string meaning;  // one line for people
  // Reads the rule's own keys, in the same table as `rule`.
  std::function<std::shared_ptr<const Rule>(base::TableReader&)> read;
};

}  // namespace convoy::engine
