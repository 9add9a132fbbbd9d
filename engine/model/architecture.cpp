#include "engine/model/architecture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/text.hpp"
#include "engine/model/builder.hpp"

namespace convoy::engine {
namespace {

struct Family {
  std::function<Architecture(const ModelOptions&)> make;
  InputKind input = InputKind::image;
  bool has_attention = false;
  bool has_stochastic_depth = false;
};

const std::map<std::string, Family>& families() {
  static const Family vit{make_vit, InputKind::image, true};
  static const Family bert{make_bert, InputKind::tokens, true};
  static const Family efficientnet{make_efficientnet, InputKind::image, false, true};
  static const std::map<std::string, Family> all = {
      {"linear", {make_linear}},
      {"mlp", {make_mlp}},
      {"cnn-small", {make_cnn_small}},
      {"resnet18", {make_resnet}},
      {"resnet34", {make_resnet}},
      {"resnet50", {make_resnet}},
      {"resnet101", {make_resnet}},
      {"resnet152", {make_resnet}},
      {"resnet18-cifar", {make_resnet}},
      {"resnet34-cifar", {make_resnet}},
      {"resnet50-cifar", {make_resnet}},
      {"alexnet", {make_alexnet}},
      {"vgg11", {make_vgg}},
      {"vgg11_bn", {make_vgg}},
      {"vgg13", {make_vgg}},
      {"vgg13_bn", {make_vgg}},
      {"vgg16", {make_vgg}},
      {"vgg16_bn", {make_vgg}},
      {"vgg19", {make_vgg}},
      {"vgg19_bn", {make_vgg}},
      {"densenet121", {make_densenet}},
      {"densenet161", {make_densenet}},
      {"densenet169", {make_densenet}},
      {"densenet201", {make_densenet}},
      {"squeezenet1_0", {make_squeezenet}},
      {"squeezenet1_1", {make_squeezenet}},
      {"mobilenet_v2", {make_mobilenet}},
      {"mobilenet_v3_large", {make_mobilenet_v3}},
      {"efficientnet-b1", efficientnet},
      {"fcn_resnet50", {make_segmentation}},
      {"fcn_resnet101", {make_segmentation}},
      {"deeplabv3_resnet50", {make_segmentation}},
      {"deeplabv3_resnet101", {make_segmentation}},
      {"deeplabv3_mobilenet_v3_large", {make_segmentation}},
      {"lraspp_mobilenet_v3_large", {make_segmentation}},
      {"mnasnet0_5", {make_mnasnet}},
      {"mnasnet0_75", {make_mnasnet}},
      {"mnasnet1_0", {make_mnasnet}},
      {"mnasnet1_3", {make_mnasnet}},
      {"vit-micro", vit},
      {"vit-tiny", vit},
      {"vit-small", vit},
      {"vit-b16", vit},
      {"vit-0.11b", vit},
      {"bert-small", bert},
      {"bert-base", bert},
      {"bert-large", bert},
  };
  return all;
}

// Spellings beside the names above.
const std::map<std::string, std::string>& other_spellings() {
  static const std::map<std::string, std::string> all = {{"mobilenetv2", "mobilenet_v2"},
                                                         {"efficientnet_b1", "efficientnet-b1"}};
  return all;
}

// Reports keys that this architecture has no use for.
void refuse_keys_of_others(const std::string& architecture, base::TableReader& reader) {
  const Family& family = families().at(architecture);
  const bool text = family.input == InputKind::tokens;
  for (const char* key : {"image_size", "image_width", "channels"}) {
    if (text && reader.has(key)) {
      reader.error(key, fmt::format("{} reads tokens and has no image", architecture));
    }
  }
  for (const char* key : {"sequence", "vocabulary"}) {
    if (!text && reader.has(key)) {
      reader.error(key, fmt::format("{} reads images and has no tokens", architecture));
    }
  }
  if (!family.has_attention && reader.has("qkv_bias")) {
    reader.error("qkv_bias", fmt::format("{} has no attention", architecture));
  }
  if (!family.has_stochastic_depth && reader.has("stochastic_depth")) {
    reader.error("stochastic_depth",
                 fmt::format("{} has no stochastic depth; efficientnet-b1 has", architecture));
  }
}

}  // namespace

std::optional<int> Architecture::exit_at(int depth) const {
  std::optional<int> best;
  for (std::size_t i = 0; i < exits.size(); ++i) {
    if (exits[i].after <= depth) best = static_cast<int>(i);
  }
  return best;
}

const std::vector<std::string>& architecture_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& [name, family] : families()) all.push_back(name);
    return all;
  }();
  return names;
}

const std::vector<std::string>& architecture_spellings() {
  static const std::vector<std::string> spellings = [] {
    std::vector<std::string> all = architecture_names();
    for (const auto& [spelling, name] : other_spellings()) all.push_back(spelling);
    return all;
  }();
  return spellings;
}

std::string architecture_name(const std::string& spelling) {
  const auto other = other_spellings().find(spelling);
  return other == other_spellings().end() ? spelling : other->second;
}

InputKind input_of(const std::string& architecture) {
  const auto family = families().find(architecture_name(architecture));
  return family == families().end() ? InputKind::image : family->second.input;
}

ModelOptions read_model(base::TableReader& reader) {
  using base::above;
  using base::at_least;
  ModelOptions options;
  const auto& names = architecture_spellings();
  const auto vit_b16 = std::find(names.begin(), names.end(), options.architecture);
  options.architecture =
      architecture_name(names[reader.choice({"architecture", "the network that is trained"}, names,
                                            static_cast<std::size_t>(vit_b16 - names.begin()))]);
  const auto integer = [&](const base::Key& key, double low, double high) -> std::optional<int> {
    const auto found = reader.maybe_integer(key, at_least(low).up_to(high));
    return found ? std::optional<int>(static_cast<int>(*found)) : std::nullopt;
  };
  options.classes = integer({"classes", "number of classes", "those of the data, else 10"}, 2, 1e6)
                        .value_or(options.classes);
  options.exits = reader.numbers({"exits", "places of the exits, as shares of the depth"},
                                 above(0).up_to(1), options.exits);
  options.qkv_bias = reader.flag({"qkv_bias", "queries, keys and values have a bias (vit, bert)"},
                                 options.qkv_bias);
  options.dropout = reader.number({"dropout", "share of the features dropped in training"},
                                  at_least(0).below(1), options.dropout);
  options.attention_dropout = reader.number(
      {"attention_dropout", "share of the attention's output dropped in training (vit, bert)"},
      at_least(0).below(1), options.attention_dropout);
  options.stochastic_depth = reader.number(
      {"stochastic_depth",
       "share of the samples whose last residual is dropped in training, less in the blocks before "
       "it (efficientnet; the original has 0.2)"},
      at_least(0).below(1), options.stochastic_depth);
  options.scale_by_width = reader.choice(
      {"attention_scale",
       "attention scores are divided by the root of a head's features, or of the full width"},
      ModelOptions::attention_scales, options.scale_by_width);
  constexpr const char* of_data = "the data's or its own";
  options.image_size = integer({"image_size", "pixels per side (images)", of_data}, 1, 4096);
  options.image_width = integer(
      {"image_width", "pixels across; image_size is then the height", "image_size"}, 1, 4096);
  options.channels =
      integer({"channels", "channels of an image: 1 grey, 3 colour (images)", of_data}, 1, 64);
  options.sequence = integer({"sequence", "tokens per sample (texts)", of_data}, 1, 4096);
  options.vocabulary =
      integer({"vocabulary", "size of the vocabulary, tokens (texts)", of_data}, 2, 1e7);
  if (options.exits.empty()) {
    reader.error("exits", "at least one exit is needed; [1.0] is the plain network");
    options.exits = {1.0};
  }
  if (!std::is_sorted(options.exits.begin(), options.exits.end())) {
    reader.error("exits", "the shares of the depth must rise, like [0.5, 1.0]");
    std::sort(options.exits.begin(), options.exits.end());
  }
  refuse_keys_of_others(options.architecture, reader);
  reader.finish();
  return options;
}

Architecture make_architecture(const ModelOptions& wanted) {
  ModelOptions options = wanted;
  options.architecture = architecture_name(wanted.architecture);
  const auto family = families().find(options.architecture);
  if (family == families().end()) {
    throw base::UserError(
        fmt::format("model.architecture: \"{}\" is not known{}", options.architecture,
                    base::did_you_mean(options.architecture, architecture_spellings())));
  }
  Architecture a = family->second.make(options);
  a.input = family->second.input;
  if (a.exits.empty()) {
    throw base::UserError(fmt::format(
        "model.exits: no exit is left; {} has {} blocks, and every share given comes before the "
        "first of them ends",
        a.name, a.depth()));
  }
  return a;
}

}  // namespace convoy::engine
