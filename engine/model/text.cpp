// BERT as a classifier of texts (Devlin et al. 2019; bert-small: Turc et al. 2019).

#include "engine/model/builder.hpp"

namespace convoy::engine {

Architecture make_bert(const ModelOptions& options) {
  const bool base = options.architecture == "bert-base";
  const TransformerShape shape = {.width = base ? 768 : 512,
                                  .depth = base ? 12 : 4,
                                  .heads = base ? 12 : 8,
                                  .mlp = base ? 3072 : 2048,
                                  .pre_norm = false};
  constexpr int vocabulary = 30522;
  constexpr int longest = 512;  // learned positions
  Architecture a;
  a.name = options.architecture;
  a.classes = options.classes;
  a.input = InputKind::tokens;
  a.sequence = options.sequence.value_or(128);
  if (a.sequence > longest) {
    throw base::UserError("model.sequence: " + a.name + " has 512 positions; use at most 512");
  }
  BlockBuilder stem("stem");
  stem.put({.kind = LayerKind::embedding,
            .name = "words",
            .features = shape.width,
            .vocabulary = options.vocabulary.value_or(vocabulary)});
  stem.put({.kind = LayerKind::tokens, .name = "positions", .segments = 2, .vocabulary = longest});
  stem.plain(LayerKind::layer_norm, "norm");
  a.stem = stem.done();
  add_transformer_blocks(a, shape, options);
  add_exits(a, options.exits, [&](std::string name) {
    BlockBuilder head(std::move(name));
    head.plain(LayerKind::select_first, "first");
    head.linear("pooler", shape.width, true);
    head.plain(LayerKind::tanh, "tanh");
    head.linear("classifier", a.classes, true);
    return head.done();
  });
  return a;
}

}  // namespace convoy::engine
