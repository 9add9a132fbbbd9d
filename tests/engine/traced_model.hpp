#pragma once

// Models by name, and what their steps cost by layer, for the tests of stages.

#include <string>
#include <utility>
#include <vector>

#include "engine/model/architecture.hpp"
#include "engine/model/submodel.hpp"
#include "engine/model/trace.hpp"

namespace convoy::engine {

inline Architecture named(const std::string& name, std::vector<double> exits = {1.0}) {
  ModelOptions options;
  options.architecture = name;
  options.exits = std::move(exits);
  options.dropout = 0.1;
  return make_architecture(options);
}

// Of the whole model.
inline Trace full(const Architecture& a, bool one_exit = false) {
  return trace(a, full_submodel(a), one_exit);
}

}  // namespace convoy::engine
