#pragma once

// The rules of aggregation that there are. Each line is the name of a file in this folder and of
// the function in it that says what the rule is; a list of lines, so that a new rule is one.

#include "engine/rules/rule.hpp"

#define CONVOY_AGGREGATION_RULES(RULE) \
  RULE(coverage)                       \
  RULE(holders)                        \
  RULE(drift)                          \
  RULE(drift_relative)                 \
  RULE(fedavgm)                        \
  RULE(fedadam)                        \
  RULE(fedbuff)                        \
  RULE(fedasync)                       \
  RULE(median)

namespace convoy::engine {

const std::vector<RuleKind>& rule_kinds();

// The rule where nothing is said: coverage.
std::shared_ptr<const Rule> default_rule();

// Reads `aggregation` of a table: { rule = "fedadam", ... }, or a rule's name alone.
// `default_name`: the rule where none is named, with its keys as they are without a file.
AggregationOptions read_aggregation(base::TableReader& table,
                                    const std::string& default_name = "coverage");

}  // namespace convoy::engine
