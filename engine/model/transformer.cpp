#include "engine/model/builder.hpp"

namespace convoy::engine {

void add_transformer_blocks(Architecture& a, const TransformerShape& shape,
                            const ModelOptions& options) {
  for (int i = 0; i < shape.depth; ++i) {
    const std::string name = "block" + std::to_string(i);
    const int heads = add_group(a, name + ".heads", GroupKind::attention_head, i, shape.heads,
                                shape.width / shape.heads);
    const int rows =
        add_group(a, name + ".projection_rows", GroupKind::residual_row, i, shape.width);
    const int hidden = add_group(a, name + ".mlp_hidden", GroupKind::mlp_hidden, i, shape.mlp);
    const int out = add_group(a, name + ".mlp_rows", GroupKind::residual_row, i, shape.width);

    BlockBuilder b(name);
    if (shape.pre_norm) b.plain(LayerKind::layer_norm, "norm1");
    b.linear("qkv", 3 * shape.width, options.qkv_bias, heads);
    b.put({.kind = LayerKind::attention,
           .name = "attention",
           .heads = shape.heads,
           .scaled_by = options.scale_by_width ? shape.width : shape.width / shape.heads});
    b.linear("projection", shape.width, true, rows);
    b.dropout("projection_dropout", options.attention_dropout);
    const int attended = b.scatter("projection_scatter", rows);
    int middle = b.plain(LayerKind::add, "residual1", {Layer::block_input, attended});
    if (!shape.pre_norm) middle = b.plain(LayerKind::layer_norm, "norm1");

    if (shape.pre_norm) b.plain(LayerKind::layer_norm, "norm2");
    b.linear("mlp1", shape.mlp, true, hidden);
    b.dropout("mlp_dropout", options.dropout);  // before the GELU, as in Co-S2P's code
    b.plain(LayerKind::gelu, "gelu");
    b.linear("mlp2", shape.width, true, out);
    const int mixed = b.scatter("mlp_scatter", out);
    b.plain(LayerKind::add, "residual2", {middle, mixed});
    if (!shape.pre_norm) b.plain(LayerKind::layer_norm, "norm2");
    a.blocks.push_back(b.done());
  }
}

}  // namespace convoy::engine
