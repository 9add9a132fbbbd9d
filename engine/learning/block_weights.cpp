#include "engine/learning/block_weights.hpp"

#include <fmt/format.h>

#include <utility>

namespace convoy::engine {

void require_block_alone(const EngineContext& context, const TaskInput& input) {
  const std::optional<ParameterBlock> block = input.brief.block();
  if (!block) return;
  const auto refuse = [&input](const char* why) {
    throw base::UserError(
        fmt::format("node {}, task {}: it is to train a block of the parameters, and {}",
                    input.node, input.task, why));
  };
  if (!block->is_valid()) refuse("that is none");
  if (input.brief.rate < 1 || input.brief.choose_masks) {
    refuse("a submodel of the model; leave out schedule.rates");
  }
  if (context.layout.elements != ElementKind::all) refuse("single weights of it");
  if (!input.brief.compression.is_none() || !input.brief.download().is_none()) {
    refuse("is to compress; leave out schedule.compression");
  }
  if (!context.training.keep_optimizer) return;
  refuse(
      "to keep its optimizer's state, which is another block's; set training.optimizer_state = "
      "\"fresh\"");
}

BlockWeights::BlockWeights(const Layout& layout, const ParameterBlock& block, Tensors received)
    : rows_{block, rows_of(layout.tensors, block)}, received_(std::move(received)) {}

Tensor BlockWeights::piece(const Tensor& full, std::size_t tensor) const {
  const RowRange& rows = rows_.rows[tensor];
  return rows.size() == full.size(0) ? full : full.narrow(0, rows.begin, rows.size());
}

Tensors BlockWeights::pieces(const Tensors& full) const {
  Tensors all(full.size());
  for (std::size_t i = 0; i < full.size(); ++i) {
    if (!full[i].defined() || rows_.rows[i].is_empty()) continue;
    const Tensor rows = piece(full[i], i);
    all[i] = rows.is_same(full[i]) ? rows : rows.clone();
  }
  return all;
}

Tensor BlockWeights::whole(std::size_t tensor, const Tensors& pieces) const {
  const RowRange& rows = rows_.rows[tensor];
  const Tensor& received = received_[tensor];
  if (!received.defined() || rows.is_empty()) return received;
  if (rows.size() == received.size(0)) return pieces[tensor];
  return at::cat({received.narrow(0, 0, rows.begin), pieces[tensor],
                  received.narrow(0, rows.end, received.size(0) - rows.end)});
}

}  // namespace convoy::engine
