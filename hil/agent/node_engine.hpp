#pragma once

// The engine of a node, built from the coordinator's setup.

#include <cstdint>
#include <memory>
#include <string>

#include "engine/api/engine.hpp"
#include "hil/protocol/messages.hpp"

namespace convoy::hil {

struct NodeEngine {
  std::shared_ptr<const engine::Engine> engine;
  std::int64_t samples = 0;          // number of training samples of the node
  std::uint64_t largest_parcel = 0;  // limit for a task's received weights, in bytes
  // Of the engine's model; null: it has no split tasks.
  std::shared_ptr<const engine::Architecture> architecture = {};
};

struct NodeData {
  std::string device;   // computes: cpu, cuda:N
  std::string source;   // data source on this machine; empty: no data needed
  bool is_own = false;  // train on the whole source, not on the part that the run assigns
};

// Must be called by the thread that will compute. Throws base::UserError if the data differs from
// the coordinator's, if the node's own data does not fit the model, or if there is no sample.
NodeEngine open_node_engine(int node, const wire::SetupT& setup, const NodeData& data);

}  // namespace convoy::hil
