// BERT as a classifier of texts (Devlin et al. 2019; bert-small: Turc et al. 2019).

#include <map>

#include "engine/model/builder.hpp"

namespace convoy::engine {

Architecture make_bert(const ModelOptions& options) {
  static const std::map<std::string, TransformerShape> shapes = {
      {"bert-small", {.width = 512, .depth = 4, .heads = 8, .mlp = 2048, .pre_norm = false}},
      {"bert-base", {.width = 768, .depth = 12, .heads = 12, .mlp = 3072, .pre_norm = false}},
      {"bert-large", {.width = 1024, .depth = 24, .heads = 16, .mlp = 4096, .pre_norm = false}}};
  const TransformerShape& shape = shapes.at(options.architecture);
  constexpr int vocabulary = 30522;
  constexpr int longest = 512;  // learned positions
  Architecture a;
  a.name = options.architecture;
  a.classes = options.classes;
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
  add_exits(a, options.exits, [&](BlockBuilder& head, int) {
    head.plain(LayerKind::select_first, "first");
    head.linear("pooler", shape.width, true);
    head.plain(LayerKind::tanh, "tanh");
    head.linear("classifier", a.classes, true);
  });
  return a;
}

}  // namespace convoy::engine
