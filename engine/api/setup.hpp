#pragma once

// An engine's setup as text (TOML), so that a real node trains exactly as the simulation does.
// Sections [model], [data], [training], [mask], [transfer], as in a scenario, with every value
// given; [elements], which follows from the kind of schedule, and [learning] where a schedule asks
// for more of its nodes.

#include <string>

#include "base/value.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/options.hpp"
#include "engine/data/dataset.hpp"
#include "engine/model/architecture.hpp"

namespace convoy::engine {

struct EngineSetup {
  std::uint64_t seed = 1;
  ModelOptions model;
  DataOptions data;  // only the kind of the source is sent: folders differ between machines
  TrainingOptions training;
  LearningRules rules;  // sent without the aggregation, which is not done by nodes
  int evaluation_batch = 256;
};

std::string to_toml(const EngineSetup& setup);
// Writes [model] as read_model() reads it.
base::Value to_table(const ModelOptions& model);

// `source`: this machine's data source ("idx:/srv/mnist"); empty: the one in the text, which must
// then need no folder. `own`: the machine trains on all of `source`, whatever source the text
// names. Throws base::UserError for malformed or out-of-range content, or if the kinds of sources
// differ. `from` names the sender in messages.
EngineSetup read_setup(const std::string& text, const std::string& source, bool own,
                       const std::string& from);

// Options for an engine with this setup and the training data of `source`; the caller adds the
// parts. There is no test set.
EngineOptions options_of(const EngineSetup& setup, const DataSource& source,
                         const std::string& device);

// Identifies a data set: a hash of its sizes, shape and labels.
std::string data_signature(const DataSource& source);

}  // namespace convoy::engine
