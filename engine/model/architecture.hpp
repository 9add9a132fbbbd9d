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
  relu6,  // clamp(x, 0, 6)
  gelu,
  tanh,
  sigmoid,
  silu,           // x times its sigmoid: "swish" (Ramachandran et al. 2017)
  hard_sigmoid,   // clamp(x + 3, 0, 6) / 6
  hard_swish,     // x times that (Howard et al. 2019)
  dropout,        // rate; by_sample
  max_pool,       // kernel, stride, padding, ceil
  average_pool,   // kernel, stride
  adaptive_pool,  // mean over windows; kernel x kernel positions are left
  global_pool,    // mean over all positions; keeps: gives one position
  flatten,        // positions into features
  tokens,         // turns positions into tokens, with a CLS token in front (if cls) and
                  // learned positions; over an embedding: learned positions and segments
  embedding,      // token numbers (in: positions) to features; vocabulary
  attention,      // in: q, k and v side by side (3 x features); out: features; heads
  select_first,   // the first token
  add,            // of two tensors of the same shape
  scale,          // the first input times the second, which has one position (a factor per channel)
  upsample,       // bilinear, to height x width positions
  concat,         // of tensors with the same positions: features side by side
  scatter,        // puts a group's kept rows back to their places in the full width
};

struct Layer {
  LayerKind kind = LayerKind::linear;
  std::string name;
  // Indices of earlier layers in the same block; block_input: the block's input. Empty: the layer
  // before (for the first layer: block_input).
  std::vector<int> inputs;
  int features = 0;  // of the output; 0: as the input
  int kernel = 1;    // conv2d, pools
  int stride = 1;
  int padding = 0;
  int dilation = 1;   // conv2d: distance between neighbouring positions of a window
  int parts = 1;      // conv2d: number of independent parts of the features ("groups")
  bool ceil = false;  // max_pool: the last window may extend over the edge
  bool bias = false;
  bool keeps = false;  // global_pool: output is a map of one position
  int height = 0;      // upsample
  int width = 0;
  bool cls = false;    // tokens
  int segments = 0;    // tokens over an embedding: learned segment vectors
  int heads = 0;       // attention
  int scaled_by = 0;   // attention: scores are divided by the root of this number
  int vocabulary = 0;  // embedding
  double rate = 0;     // dropout
  // dropout: of a sample all features or none are dropped (stochastic depth, Huang et al. 2016).
  bool by_sample = false;
  // The prunable group whose members are this layer's output features (conv2d, linear), or -1.
  // For the joint q, k, v projection each part follows the group.
  int group = -1;

  static constexpr int block_input = -1;
};

struct Block {
  std::string name;
  std::vector<Layer> layers;  // sorted: each layer comes after its inputs

  // Index of the last layer, whose output is the block's output.
  [[nodiscard]] int last() const { return static_cast<int>(layers.size()) - 1; }
};

struct Exit {
  int after = 0;  // number of blocks before it, 1 to the depth
  Block head;     // its output is the class scores
};

enum class GroupKind { attention_head, mlp_hidden, residual_row, channel };

// Prunable members of a block. Parameters of a layer follow a group by rows (outputs) or by columns
// (inputs).
struct Group {
  std::string name;
  GroupKind kind = GroupKind::channel;
  int block = 0;  // index of its block
  int size = 0;   // number of members
  int width = 1;  // features per member (an attention head has several)
};

enum class InputKind { image, tokens };

// How a learner draws the first weights of convolutions and linear layers; the rest is equal for
// all (engine/learning/initial.hpp). fan_in and fan_out: elements of a layer's weight divided by
// its outputs, and by its inputs.
enum class FirstWeights {
  by_inputs,     // convolutions N(0, 2 / fan_in); linear, biases: uniform in 1 / sqrt(fan_in)
  mobilenet,     // convolutions N(0, 2 / fan_out); linear N(0, 0.01 squared); biases 0
  efficientnet,  // convolutions N(0, 2 / fan_out); linear uniform in 1 / sqrt(outputs); biases 0
};

struct Architecture {
  std::string name;
  int classes = 0;
  InputKind input = InputKind::image;
  int channels = 3;  // image
  int height = 0;    // image, pixels
  int width = 0;
  int sequence = 0;  // tokens per sample
  // Scores for every pixel instead of one row: for timing only, no data source has such labels.
  bool per_pixel = false;
  FirstWeights first_weights = FirstWeights::by_inputs;

  Block stem;  // may be empty
  std::vector<Block> blocks;
  std::vector<Exit> exits;  // by rising depth
  std::vector<Group> groups;

  [[nodiscard]] int depth() const { return static_cast<int>(blocks.size()); }
  // Index of the deepest exit after at most `depth` blocks, if any.
  [[nodiscard]] std::optional<int> exit_at(int depth) const;
};

// The model options of a scenario ([model]).
struct ModelOptions {
  static constexpr base::Words<bool> attention_scales = {{false, "head"}, {true, "width"}};
  std::string architecture = "vit-b16";
  int classes = 10;
  // Places of exits as shares of the depth: an exit after floor(depth * share) blocks, without
  // duplicates and zeros. {1.0} is the plain network of the literature.
  std::vector<double> exits = {0.25, 0.5, 0.75, 1.0};
  bool qkv_bias = true;  // false in Co-S2P's published code
  double dropout = 0;    // vit: in the MLP; Co-S2P 0.5 (and 0.2 after the attention output)
  double attention_dropout = 0;
  double stochastic_depth = 0;  // efficientnet: of the last block; the original has 0.2
  // Attention scores are divided by the root of the full width (as in Co-S2P's published code)
  // instead of the features of a head.
  bool scale_by_width = false;
  std::optional<int> image_size;   // pixels per side; nothing: the architecture's default
  std::optional<int> image_width;  // pixels across; image_size is then the height
  std::optional<int> channels;
  std::optional<int> sequence;  // tokens per sample
  std::optional<int> vocabulary;
};

// Reads [model]; reports unknown names and values out of range.
ModelOptions read_model(base::TableReader& reader);

// The architectures' names.
const std::vector<std::string>& architecture_names();
// These, and behind them other spellings of some: "mobilenetv2" of "mobilenet_v2". All functions
// here take either; Architecture::name and what read_model() gives are of the first kind.
const std::vector<std::string>& architecture_spellings();
// The name of an architecture that may be spelled otherwise; unknown names as they are.
std::string architecture_name(const std::string& spelling);
// The input of an architecture; image for unknown names.
InputKind input_of(const std::string& architecture);

// Throws base::UserError if the options do not fit the architecture (image size not divisible by
// the patch, no valid exit).
Architecture make_architecture(const ModelOptions& options);

}  // namespace convoy::engine
