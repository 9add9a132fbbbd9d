#pragma once

// The list of aggregation rules. Each line names a file of this folder and the function in it that
// defines the rule; a new rule is one more line.

#include "engine/rules/rule.hpp"

#define CONVOY_AGGREGATION_RULES(RULE) \
  RULE(coverage)                       \
  RULE(in_flight)                      \
  RULE(holders)                        \
  RULE(holders_by_label)               \
  RULE(drift)                          \
  RULE(drift_relative)                 \
  RULE(fedavgm)                        \
  RULE(fedadam)                        \
  RULE(fedbuff)                        \
  RULE(fedasync)                       \
  RULE(fedcompass)                     \
  RULE(teasq)                          \
  RULE(median)

namespace convoy::engine {

const std::vector<RuleKind>& rule_kinds();

// The default rule: coverage.
std::shared_ptr<const Rule> default_rule();

// Reads `aggregation` of a table: { rule = "fedadam", ... }, or a rule's name alone.
// `default_name`: the rule if none is named, with the defaults of its keys.
AggregationOptions read_aggregation(base::TableReader& table,
                                    const std::string& default_name = "coverage");

}  // namespace convoy::engine
