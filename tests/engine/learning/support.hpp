#pragma once

// Small models and data for the tests of the engine.

#include <torch/torch.h>

#include "base/random.hpp"
#include "engine/api/engine.hpp"
#include "engine/learning/devices.hpp"
#include "engine/learning/network.hpp"

namespace convoy::engine::test {

// Together they have all kinds of prunable groups: heads, hidden units, residual rows, channels.
inline std::vector<ModelOptions> small_models() {
  std::vector<ModelOptions> all;
  for (const char* name : {"mlp", "cnn-small", "vit-micro", "resnet18-cifar", "bert-small"}) {
    ModelOptions m;
    m.architecture = name;
    m.classes = 7;
    if (m.architecture == "cnn-small") m.image_size = 16;
    if (m.architecture == "resnet18-cifar") m.image_size = 16;
    if (m.architecture == "bert-small") {
      m.sequence = 12;
      m.vocabulary = 60;
    }
    all.push_back(m);
  }
  ModelOptions bottleneck;
  bottleneck.architecture = "resnet50-cifar";
  bottleneck.classes = 7;
  bottleneck.image_size = 16;
  all.push_back(bottleneck);
  ModelOptions published;  // as Co-S2P's code has it
  published.architecture = "vit-micro";
  published.classes = 7;
  published.qkv_bias = false;
  published.scale_by_width = true;
  all.push_back(published);
  return all;
}

// Small, and with running statistics: cnn-small with a norm after each convolution.
inline std::shared_ptr<const Architecture> small_with_norms(int classes) {
  ModelOptions options;
  options.architecture = "cnn-small";
  options.classes = classes;
  options.image_size = 16;
  Architecture a = make_architecture(options);
  for (Block& block : a.blocks) {
    block.layers.insert(block.layers.begin() + 1, {.kind = LayerKind::batch_norm, .name = "bn"});
  }
  return std::make_shared<const Architecture>(std::move(a));
}

inline Layout layout_of(const ModelOptions& options) {
  return Layout(std::make_shared<const Architecture>(make_architecture(options)));
}

// The layout as the engine makes it, for tests of its parts.
inline const bool libraries_are_set_up = (set_up_libraries(), true);

// Weights of zero, for results that depend on shapes only. Drawing the weights of large networks
// takes seconds.
inline Tensors zero_weights(const Layout& layout) {
  Tensors all;
  for (const ParameterTensor& p : layout.tensors) all.push_back(at::zeros(p.shape));
  return all;
}

// A random submodel: any depth with an exit, a random non-empty part of each group.
inline Submodel random_submodel(const Architecture& a, base::Random& random) {
  Submodel s;
  const Exit& exit = a.exits[random.below(a.exits.size())];
  s.depth = exit.after;
  for (const Group& group : a.groups) {
    std::vector<int> kept;
    if (group.block < s.depth) {
      const double share = random.uniform();
      for (int i = 0; i < group.size; ++i) {
        if (random.uniform() < share) kept.push_back(i);
      }
      if (kept.empty()) kept.push_back(static_cast<int>(random.below(group.size)));
    }
    s.kept.push_back(std::move(kept));
  }
  return s;
}

inline Tensor random_input(const Architecture& a, int batch, std::uint64_t seed) {
  at::Generator generator = make_generator(at::kCPU, seed);
  if (a.input == InputKind::tokens) {
    Tensor tokens = at::randint(1, 60, {batch, a.sequence}, generator, at::kLong);
    tokens.slice(1, a.sequence - 3).fill_(token_padding);
    return tokens;
  }
  return at::randn({batch, a.channels, a.height, a.width}, generator);
}

// Images whose class is the position of a bright column, with noise.
inline std::shared_ptr<Dataset> striped_images(int count, int classes, int size = 28,
                                               std::uint64_t seed = 1) {
  auto data = std::make_shared<Dataset>();
  data->shape = {.channels = 1, .height = size, .width = size, .classes = classes};
  base::Random random({seed});
  for (int i = 0; i < count; ++i) {
    const int label = i % classes;
    data->labels.push_back(label);
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const bool bright = x * classes / size == label;
        data->pixels.push_back(static_cast<std::uint8_t>(random.below(100) + (bright ? 100 : 0)));
      }
    }
  }
  return data;
}

// Deals all samples to the nodes in turn, four at a time (one of each of the first classes of
// striped_images); node 0 is the server.
inline std::vector<LocalSplit> dealt(std::int64_t count, int nodes) {
  std::vector<LocalSplit> parts(static_cast<std::size_t>(nodes) + 1);
  for (std::int64_t i = 0; i < count; ++i) {
    parts[static_cast<std::size_t>(1 + i / 4 % nodes)].train.push_back(i);
  }
  return parts;
}

// As of a real node with data of its own: their number alone is known.
inline void let_be_unlisted(LocalSplit& part) {
  part = {.train = {}, .test = {}, .unlisted = static_cast<std::int64_t>(part.train.size())};
}

// A node's part in a task, one work after another.
class Part {
 public:
  Part(const Engine& engine, const TaskInput& input, std::stop_token stop)
      : received_(input.received), session_(engine.open(input, std::move(stop))) {}
  void learn_masks(int epochs) { session_->run(LearnMasks{epochs}, {{received_, nullptr}}); }
  void train(int epochs, std::optional<int> steps) {
    session_->run(Train{epochs, steps}, {{received_, nullptr}});
  }
  Outcome finish() { return session_->outcome(); }
  [[nodiscard]] const Submodel& submodel() const { return session_->submodel(); }

 private:
  std::shared_ptr<const Weights> received_;
  std::unique_ptr<Session> session_;
};

inline std::unique_ptr<Part> begin(const Engine& engine, const TaskInput& input,
                                   std::stop_token stop) {
  return std::make_unique<Part>(engine, input, std::move(stop));
}

inline const TensorUpdate& update_of(const Outcome& outcome) {
  return dynamic_cast<const TensorUpdate&>(*outcome.result);
}

// Aggregates on the server; `state` is the rule's state from one aggregation to the next.
struct Next {
  std::shared_ptr<const Weights> weights;
  AggregationReport report;
  std::shared_ptr<const NodeState> state;
};
inline Next aggregate(const Engine& engine, const std::shared_ptr<const Weights>& current,
                      std::vector<Input> updates, std::int64_t version = 0,
                      std::shared_ptr<const NodeState> state = nullptr) {
  const auto session = engine.open(
      {.node = 0, .version = version, .received = current, .state = std::move(state)}, {});
  updates.insert(updates.begin(), {current, nullptr});
  session->run(Aggregate{}, updates);
  Outcome outcome = session->outcome();
  return {std::dynamic_pointer_cast<const Weights>(outcome.result), *outcome.aggregation,
          outcome.state};
}

}  // namespace convoy::engine::test
