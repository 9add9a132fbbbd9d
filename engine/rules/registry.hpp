#pragma once

// The list of aggregation rules. Each line names a file of this folder and the function in it that
// defines the rule; a new rule is one more line.

#include "engine/rules/rule.hpp"

#define CONVOY_AGGREGATION_RULES(RULE) \
  RULE(coverage)                       \
  RULE(drift)                          \
  RULE(drift_relative)                 \
  RULE(fedavgm)                        \
  RULE(fedadam)                        \
  RULE(fedbuff)                        \
  RULE(median)

namespace convoy::engine {

const std::vector<RuleKind>& rule_kinds();

// The default rule: coverage.
std::shared_ptr<const Rule> default_rule();

// Reads `aggregation` from a table: { rule = "fedadam", ... }, or only a rule's name.
AggregationOptions read_aggregation(base::TableReader& table);

}  // namespace convoy::engine
