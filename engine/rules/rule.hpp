#pragma once

// How updates become the next version of the model: a rule of aggregation. A rule is one file in
// this folder and one line in registry.hpp. It sees numbers only, neither tensors nor LibTorch:
// engine/learning/aggregation.cpp goes through the model, tensor by tensor, and asks it.
//
//   const std::vector<double> shares = rule.shares(updates);    // once
//   rule.combine(elements, change);                             // for each stretch of a tensor
//
// Element-wise: of delta_i, the change that update i brings, and share_i it is told
// sum_i share_i delta_i and sum_i share_i over the updates that hold the element (a sum of 0: none
// of them counts); of each update by
// itself where it asks for them (needs().changes). What it gives is added to the present version.
//
// Running statistics (batch norm) are the business of no rule: see aggregation.cpp.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/table_reader.hpp"

namespace convoy::engine {

// What is known of an update without looking at its tensors.
struct UpdateFacts {
  double samples = 0;             // that its node trains on
  double rate = 1;                // of its submodel, (0, 1]
  std::int64_t steps = 0;         // of the optimizer that led to it
  std::int64_t base_version = 0;  // that it was trained from
  std::int64_t staleness = 0;     // versions made since: of the present one, minus base_version
};

// The updates of one aggregation, in the order in which it was given them.
class Updates {
 public:
  Updates() = default;
  virtual ~Updates() = default;
  Updates(const Updates&) = delete;
  Updates& operator=(const Updates&) = delete;

  [[nodiscard]] virtual std::size_t size() const = 0;
  [[nodiscard]] virtual const UpdateFacts& facts(std::size_t update) const = 0;
  // |delta|_1 over the parameters.
  [[nodiscard]] virtual double change_l1(std::size_t update) const = 0;
  // |W - W_base|_1 over the parameters: how far the model has gone since. Needs `received`.
  [[nodiscard]] virtual double drift_l1(std::size_t update) const = 0;
};

// What a rule has to be given beside facts and sums.
struct Needs {
  bool received = false;  // what each update was trained from: versions are kept until then
  bool changes = false;   // the updates' elements one by one
};

// Neighbouring elements of one tensor of the model, `size` of them.
struct Elements {
  std::size_t size = 0;
  const float* current = nullptr;          // the present version
  const double* sum = nullptr;             // sum of share x change over those that hold an element
  const float* weight = nullptr;           // sum of their shares
  const std::uint32_t* holders = nullptr;  // how many they are
  std::size_t updates = 0;                 // of the aggregation, whoever holds what
  std::span<const double> shares;          // by update, as the rule gave them
  // With needs().changes, by update: its elements (0 where it does not hold one), whether it holds
  // them, and with needs().received what it was trained from.
  std::span<const float* const> changes;
  std::span<const std::uint8_t* const> holds;
  std::span<const float* const> received;
  // By slot of the rule's state, to be read and written; 0 before the first aggregation.
  std::span<float* const> state;
  std::int64_t aggregations = 0;  // by this rule before this one, where it has a state
};

class Rule {
 public:
  Rule() = default;
  virtual ~Rule() = default;
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual Needs needs() const { return {}; }
  // The names of what it remembers: a number for each parameter of the model (FP32).
  [[nodiscard]] virtual std::vector<std::string> state() const { return {}; }

  // The weights of the updates, each at least 0. By default in proportion to their samples.
  [[nodiscard]] virtual std::vector<double> shares(const Updates& updates) const;
  // What the shares sum to: 1 for a rule that averages. A run whose rule does otherwise fails.
  [[nodiscard]] virtual double shares_sum(const Updates& /*updates*/) const { return 1; }

  // By how much the elements change. Called for all; what it gives for one that no update holds
  // (holders = 0) is not used. By default the mean of those that hold it, by their shares.
  virtual void combine(const Elements& elements, std::span<double> change) const;
};

// In proportion to weights of at least 0, sum 1; equal where all are 0.
std::vector<double> in_proportion(std::vector<double> weights);

// How updates become the next version.
struct AggregationOptions {
  std::shared_ptr<const Rule> rule;  // null: coverage
  // An update whose root mean square is above this many times the median of the others' is scaled
  // down to that; 0: none is. engine/learning/guarded_merge.hpp
  double norm_bound = 0;
};

// A rule as a scenario names it.
struct RuleKind {
  std::string name;
  std::string meaning;  // a line, for people
  // Reads the rule's own keys, which stand beside `rule`.
  std::function<std::shared_ptr<const Rule>(base::TableReader&)> read;
};

}  // namespace convoy::engine
