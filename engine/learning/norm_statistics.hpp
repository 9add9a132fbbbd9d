#pragma once

// Static batch norm (HeteroFL, arXiv 2010.01264; its code's stats()): running statistics from one
// pass over data, after training that kept none.

#include <stop_token>

#include "engine/learning/engine_context.hpp"

namespace convoy::engine {

// The model with the running statistics of all its batch norms made anew: the mean over the batches
// of one pass of all nodes' training samples, each batch normalized by its own statistics. The
// samples are shuffled together. All other tensors are the model's own. Nodes whose samples are not
// known here (real ones with data of their own) are not in it. Throws base::UserError if no sample
// is known, or a single one where the model cannot normalize that; Stopped.
Tensors norm_statistics(const EngineContext& context, const Tensors& model, int batch,
                        std::int64_t task, const std::stop_token& stop);

}  // namespace convoy::engine
