#pragma once

// The engine of a node, as the coordinator's setup asks for it.

#include <cstdint>
#include <memory>
#include <string>

#include "engine/api/engine.hpp"
#include "hil/protocol/messages.hpp"

namespace convoy::hil {

struct NodeEngine {
  std::shared_ptr<const engine::Engine> engine;
  std::int64_t samples = 0;          // that the node trains on
  std::uint64_t largest_parcel = 0;  // bytes that a task may start from
};

struct NodeData {
  std::string device;   // that computes: cpu, cuda:N
  std::string source;   // of the data set on this machine; empty: it needs none
  bool is_own = false;  // trains on all of it, not on a part that the run gives it
};

// To be called by the thread that will compute. Throws base::UserError for a setup that cannot be:
// other data than the coordinator's, data of one's own that the model does not take, no sample.
NodeEngine open_node_engine(int node, const wire::SetupT& setup, const NodeData& data);

}  // namespace convoy::hil
