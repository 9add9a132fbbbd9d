#pragma once

// What an engine is made of as a text (TOML), so that a real node trains exactly as the simulation
// does. Sections: [model], [data], [training], [mask], [transfer], as a scenario has them, with
// every value given.

#include <filesystem>
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
  DataOptions data;  // of its source only the kind goes along: folders are each machine's own
  TrainingOptions training;
  LearningRules rules;  // the aggregation is not a node's business and does not go along
  int evaluation_batch = 256;
};

std::string to_toml(const EngineSetup& setup);
// [model] alone, as read_model() reads it.
base::Value to_table(const ModelOptions& model);

// `source`: the data source that this machine uses ("idx:/srv/mnist"); empty: that of the text,
// which must then need no folder. `own`: whatever the text's is, `source` stands for it, whole.
// Throws base::UserError for what is not well-formed or out of range, and where the kinds of the
// sources differ. `from` names the sender in messages.
EngineSetup read_setup(const std::string& text, const std::string& source, bool own,
                       const std::string& from);

// An engine of that setup with the training data of `source`; without a test set, and without parts:
// the caller says who trains on what.
EngineOptions options_of(const EngineSetup& setup, const DataSource& source,
                         const std::string& device);

// What tells data sets apart: a hash of their sizes, shape and labels.
std::string data_signature(const DataSource& source);

}  // namespace convoy::engine
