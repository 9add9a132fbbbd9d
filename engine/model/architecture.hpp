#pragma once

// An architecture as plain data: blocks of layers, prunable groups, exits. Two readers: costs.hpp
// here, and engine/learning, which builds LibTorch modules from the same data.
//
// A network is a stem (in every submodel), a row of blocks, and exits: heads that turn what comes
// out of a block into class scores. A submodel keeps the first blocks and, of each prunable group,
// some of its members.
//
// The features of a tensor are its channels (images), its width (tokens) or its length (vectors);
// its positions are height x width, the tokens, or 1. All sizes are per sample.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/table_reader.hpp"

namespace convoy::engine {

enum class LayerKind {
  conv2d,      // features out, kernel, stride, padding, dilation, bias, parts
  linear,      // on the features of every position
  batch_norm,  // affine, over features, with running statistics (buffers)
  layer_norm,  // affine, over features
  relu,
  gelu,
  tanh,
  sigmoid,
  hard_sigmoid,   // clamp(x + 3, 0, 6) / 6
  hard_swish,     // x times that (Howard et al. 2019)
  dropout,        // rate
  max_pool,       // kernel, stride, padding, ceil
  average_pool,   // kernel, stride
  adaptive_pool,  // mean over windows, so many that kernel x kernel positions are left
  global_pool,    // mean over positions, which are gone; keeps: one position is left
  flatten,        // positions into features
  tokens,         // positions become a row of tokens, with a CLS token in front (if cls) and
                  // learned positions; over an embedding: learned positions and segments
  embedding,      // token numbers (in: positions) to features; vocabulary
  attention,      // in: q, k and v side by side (3 x features); out: features; heads
  select_first,   // the first token
  add,            // of two tensors of the same shape
  scale,          // the first input times the second, which has one position: a factor a channel
  upsample,       // bilinear, to height x width positions
  concat,         // of tensors with the same positions: features side by side
  scatter,        // puts the kept rows of a group back to their places in the full width
};

struct Layer {
  LayerKind kind = LayerKind::linear;
  std::string name;
  // Earlier layers of the same block by index; block_input: what comes into the block. Empty: the
  // layer before (for the first: block_input).
  std::vector<int> inputs;
  int features = 0;  // out; 0: as in
  int kernel = 1;    // conv2d, pools
  int stride = 1;
  int padding = 0;
  int dilation = 1;  // conv2d: positions from one of the window's to the next
  int parts = 1;     // conv2d: features in and out fall into so many parts, each its own ("groups")
  bool ceil = false;  // max_pool: a last window may reach over the edge
  bool bias = false;
  bool keeps = false;  // global_pool: gives a map of one position
  int height = 0;      // upsample
  int width = 0;
  bool cls = false;    // tokens
  int segments = 0;    // tokens over an embedding: learned segment vectors
  int heads = 0;       // attention
  int scaled_by = 0;   // attention: scores are divided by the root of this many features
  int vocabulary = 0;  // embedding
  double rate = 0;     // dropout
  // The prunable group whose members are this layer's output features (conv2d, linear), or -1.
  // For the joint q, k, v projection each part follows the group.
  int group = -1;

  static constexpr int block_input = -1;
};

struct Block {
  std::string name;
  std::vector<Layer> layers;  // in an order in which each comes after its inputs

  // The index of the last layer: what comes out of the block.
  [[nodiscard]] int last() const { return static_cast<int>(layers.size()) - 1; }
};

struct Exit {
  int after = 0;  // blocks before it, 1 to the depth
  Block head;     // ends in class scores
};

enum class GroupKind { attention_head, mlp_hidden, residual_row, channel };

// Things of a block that can be pruned one by one. Parameters of a layer follow a group by rows
// (its outputs) or by columns (its inputs).
struct Group {
  std::string name;
  GroupKind kind = GroupKind::channel;
  int block = 0;  // index of the block it belongs to
  int size = 0;   // members
  int width = 1;  // features a member (an attention head has several)
};

enum class InputKind { image, tokens };

struct Architecture {
  std::string name;
  int classes = 0;
  InputKind input = InputKind::image;
  int channels = 3;  // image
  int height = 0;    // image, pixels
  int width = 0;
  int sequence = 0;  // tokens a sample
  // Scores for every pixel in place of one row: no data here has such labels, so for timing only.
  bool per_pixel = false;

  Block stem;  // may have no layers
  std::vector<Block> blocks;
  std::vector<Exit> exits;  // by rising depth
  std::vector<Group> groups;

  [[nodiscard]] int depth() const { return static_cast<int>(blocks.size()); }
  // The index of the deepest exit after at most `depth` blocks, if there is one.
  [[nodiscard]] std::optional<int> exit_at(int depth) const;
};

// What a scenario says of a model ([model]).
struct ModelOptions {
  static constexpr base::Words<bool> attention_scales = {{false, "head"}, {true, "width"}};
  std::string architecture = "vit-b16";
  int classes = 10;
  // Places of the exits as shares of the depth; an exit after floor(depth * share) blocks, doubles
  // and zeros left out. {1.0} is the plain network of the literature.
  std::vector<double> exits = {0.25, 0.5, 0.75, 1.0};
  bool qkv_bias = true;  // Co-S2P's published code has none
  double dropout = 0;    // vit: in the MLP; Co-S2P 0.5 (and 0.2 after the attention output)
  double attention_dropout = 0;
  // Scores are divided by the root of the features of a head, as everywhere, or of the full width,
  // as in Co-S2P's published code.
  bool scale_by_width = false;
  std::optional<int> image_size;   // pixels a side; otherwise the architecture's own
  std::optional<int> image_width;  // pixels across, where image_size is the height alone
  std::optional<int> channels;
  std::optional<int> sequence;  // tokens a sample
  std::optional<int> vocabulary;
};

// Reads [model]; unknown names and values out of range are reported.
ModelOptions read_model(base::TableReader& reader);

// The names that make_architecture knows.
const std::vector<std::string>& architecture_names();
// What a network of that name reads; image for one that is not known.
InputKind input_of(const std::string& architecture);

// Throws base::UserError where the options do not fit the architecture (an image that no patch
// divides, an exit list without a place).
Architecture make_architecture(const ModelOptions& options);

}  // namespace convoy::engine
