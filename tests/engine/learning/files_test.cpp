// Tests safetensors, and the engine's files in this format.

#include "engine/learning/files.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "engine/learning/initial.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

namespace convoy::engine {
namespace {

using convoy::test::TemporaryFolder;
using testing::HasSubstr;

std::string message_of(const std::filesystem::path& file) {
  try {
    read_safetensors(file);
  } catch (const base::UserError& e) {
    return e.what();
  }
  return "";
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// A header of so many empty tensors.
std::string crowded_header(int tensors) {
  std::string header = "{";
  for (int i = 0; i < tensors; ++i) {
    header += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) +
              R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  }
  return header + "}";
}

std::string with_length(const std::string& header, const std::string& data) {
  std::string text(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(text.data(), &length, sizeof length);
  return text + header + data;
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "a.safetensors";
  TensorFile content;
  content.metadata["who"] = "\"quoted\" \xC3\xA4";
  content.tensors = {{"a", at::randn({3, 4})},
                     {"b", at::arange(5)},
                     {"c", at::ones({2}, at::kByte)},
                     {"none", at::empty({0, 3})},
                     {"d", at::tensor(std::vector<int>{1, -2}, at::kInt)}};
  write_safetensors(file, content);
  const TensorFile read = read_safetensors(file, {}, Origin::kept);
  EXPECT_EQ(read.metadata, content.metadata);
  for (const auto& [name, tensor] : content.tensors) {
    ASSERT_NE(read.find(name), nullptr) << name;
    EXPECT_TRUE(at::equal(*read.find(name), tensor)) << name;
  }
  // The format that other readers expect: a length, JSON, data at multiples of 8.
  const std::string raw = convoy::test::read_file(file);
  EXPECT_EQ(raw[8], '{');
  std::uint64_t length = 0;
  std::memcpy(&length, raw.data(), sizeof length);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_THAT(raw, HasSubstr(R"("a":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]})"));
}

// In files that we keep ourselves any changed bit is detected; files from other programs have no
// checksum.
TEST(Safetensors, OfWhatIsKeptEveryBitCounts) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "a.safetensors";
  TensorFile content;
  content.metadata["samples"] = "5";
  content.tensors = {{"a", at::randn({3})}, {"b", at::arange(2)}};
  write_safetensors(file, content);
  const std::string whole = convoy::test::read_file(file);
  EXPECT_NO_THROW(read_safetensors(file, {}, Origin::kept));
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string rotten = whole;
    rotten[bit / 8] = static_cast<char>(rotten[bit / 8] ^ (1 << bit % 8));
    std::ofstream(file, std::ios::binary) << rotten;
    EXPECT_THROW(read_safetensors(file, {}, Origin::kept), base::UserError) << bit;
  }
  std::string changed = whole;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  std::ofstream(file, std::ios::binary) << changed;
  EXPECT_NO_THROW(read_safetensors(file));
}

TEST(Safetensors, DamagedAndHostileFilesAreRefused) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& text, const std::string& why) {
    const std::string file = folder.write("bad.safetensors", text);
    EXPECT_THAT(message_of(file), HasSubstr(why)) << text.substr(0, 80);
    EXPECT_THAT(message_of(file), HasSubstr("bad.safetensors"));
  };
  const std::string four(4, '\0');
  refused("", "too short");
  refused("abc", "too short");
  refused(std::string(8, '\xFF'), "truncated");
  refused(with_length("{", ""), "no JSON object");
  refused(with_length("[]", ""), "no JSON object");
  refused(with_length(R"({"a":1})", ""), "has no dtype");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", four),
          "has no dtype, shape or data_offsets");
  refused(with_length(R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})", four),
          "of a type that is not read");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,400]}})", four),
          "outside of the file");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four),
          "outside of the file");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", four),
          "does not fit its bytes");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four),
          "shape that is none");
  refused(
      with_length(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})",
                  four),
      "larger than the file");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                      four),
          "overlap");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four + "more"),
          "speaks of 4 bytes, there are 8");
  refused(with_length(R"({"__metadata__":{"a":3}})", ""), "more than texts");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                      four),
          "it names \"a\" twice");
  refused(
      with_length(R"({"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}})", four),
      "it names \"dtype\" twice");
  refused(with_length(R"({"__metadata__":{"x":"1","x":"2"}})", ""), "it names \"x\" twice");
  refused(with_length(R"( {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four),
          "no JSON object");
  refused(with_length(R"({"a":{"dtype":"F32","shape":[)" + repeated("1,", 100'000) +
                          R"(1],"data_offsets":[0,4]}})",
                      four),
          "more than 16 dimensions");
  refused(with_length(R"({"a":)" + std::string(100'000, '['), four), "nested too deeply");
  // A header with 100,000 levels.
  refused(with_length(std::string(100'000, '['), ""), "no JSON object");
  EXPECT_THAT(message_of(folder.path() / "missing"), HasSubstr("cannot be read"));
}

// More tensors, or a longer header, than the reader's limits: refused before anything is parsed or
// allocated.
TEST(Safetensors, HeadersBeyondTheLimitsAreRefused) {
  const auto refusal = [](const std::string& header, const HeaderLimits& limits) {
    try {
      announced_by(header, 0, "a peer", limits);
    } catch (const base::UserError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string crowded = crowded_header(200'000);
  EXPECT_THAT(refusal(crowded, {10'000, 50}), HasSubstr("at most 10000 are expected"));
  // Reading stops at the 51st tensor: what follows may be no JSON at all.
  EXPECT_THAT(refusal(crowded_header(52) + "no json", {100'000'000, 50}),
              HasSubstr("more than 50 tensors"));
  EXPECT_EQ(refusal(crowded_header(50), {100'000'000, 50}), "");
  const Announced all = announced_by(crowded, 0, "a peer", {100'000'000, 200'000});
  ASSERT_EQ(all.content.tensors.size(), 200'000U);
  EXPECT_EQ(all.content.tensors.back().first, "t199999");
}

class ModelFiles : public testing::Test {
 protected:
  ModelFiles() {
    ModelOptions options;
    options.architecture = "vit-micro";
    options.classes = 5;
    layout = std::make_unique<Layout>(test::layout_of(options));
    file = folder.path() / "m.safetensors";
  }
  template <class Load>
  std::string refusal(Load load) {
    try {
      load();
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  }
  std::unique_ptr<Layout> layout;
  TemporaryFolder folder;
  std::filesystem::path file;
};

// Everything that the engine writes is within its own limits for reading.
TEST(ModelFileLimits, HoldWhatIsWritten) {
  for (const ModelOptions& options : test::small_models()) {
    const Layout layout = test::layout_of(options);
    Tensors tensors = initial_tensors(layout, 1);
    Trained trained(layout.size());
    for (std::size_t i = 0; i < layout.size(); ++i) {
      Marks some(static_cast<std::size_t>(layout.tensors[i].elements()), 0);
      some.front() = 1;
      trained[i] = std::make_shared<const Marks>(some);
    }
    const TensorWeights weights(tensors, trained);
    const auto within = [&](const TensorFile& file, const HeaderLimits& limits) {
      EXPECT_LE(header_of(file).size(), limits.bytes) << options.architecture;
      EXPECT_LE(file.tensors.size(), limits.tensors) << options.architecture;
      std::uint64_t bytes = 0;
      for (const auto& [name, tensor] : file.tensors) bytes += tensor.nbytes();
      EXPECT_NO_THROW(announced_by(header_of(file), bytes, "ours", limits));
    };
    within(to_file(layout, weights, {}, weights.tensors), file_limits(layout));
    const Submodel full = full_submodel(*layout.architecture);
    within(part_to_file(layout, weights, full), parcel_limits(layout));
    TensorUpdate update;
    update.submodel = full;
    update.brings = tensors;
    within(to_file(layout, update, Masks::without), parcel_limits(layout));
    within(to_file(layout, update, Masks::without), file_limits(layout));
    EXPECT_LT(parcel_limits(layout).tensors, 3 * layout.size() + 100);
  }
}

TEST_F(ModelFiles, AVersionComesBackToTheBit) {
  Trained trained(layout->size());
  trained[0] = std::make_shared<const Marks>(1, 1);
  Marks some(static_cast<std::size_t>(layout->tensors[3].elements()), 0);
  some[2] = 1;
  trained[3] = std::make_shared<const Marks>(some);
  const TensorWeights weights(initial_tensors(*layout, 4), trained);
  write_safetensors(file, to_file(*layout, weights, {{"version", "12"}}, weights.tensors));
  const auto read = weights_from(*layout, read_safetensors(file), file.string());
  for (std::size_t i = 0; i < layout->size(); ++i) {
    EXPECT_TRUE(at::equal(read->tensors[i], weights.tensors[i]));
  }
  EXPECT_EQ(*read->trained[0], Marks(1, 1));
  EXPECT_EQ(*read->trained[3], some);
  EXPECT_EQ(read->trained[1], nullptr);
}

TEST_F(ModelFiles, AModelOfAnotherShapeIsRefusedByName) {
  const TensorWeights weights(initial_tensors(*layout, 4), Trained(layout->size()));
  const TensorFile good = to_file(*layout, weights, {}, weights.tensors);
  const auto load = [&](const TensorFile& content) {
    write_safetensors(file, content);
    return refusal([&] { weights_from(*layout, read_safetensors(file), file.string()); });
  };
  EXPECT_EQ(load(good), "");
  TensorFile bad = good;
  bad.tensors[0].second = at::zeros({3, 3});
  EXPECT_THAT(load(bad), HasSubstr("tensor \"stem.patch.weight\" is of shape [3, 3], vit-micro has "
                                   "[64, 1, 4, 4]"));
  bad = good;
  bad.tensors.erase(bad.tensors.begin() + 1);
  EXPECT_THAT(load(bad), HasSubstr("has no tensor \"stem.patch.bias\""));
  bad = good;
  bad.tensors.emplace_back("block0.qvk.weight", at::zeros({1}));
  EXPECT_THAT(load(bad), HasSubstr("did you mean \"block0.qkv.weight\"?"));
}

TEST_F(ModelFiles, NaNAndInfinityAreRefusedByTensorAndPlace) {
  const TensorWeights weights(initial_tensors(*layout, 4), Trained(layout->size()));
  base::Random random({5});
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    TensorFile content = to_file(*layout, weights, {}, weights.tensors);
    auto& [name, tensor] = content.tensors[random.below(content.tensors.size())];
    tensor = tensor.clone();
    const auto place = static_cast<std::int64_t>(random.below(tensor.numel()));
    tensor.view(-1)[place] = bad;
    write_safetensors(file, content);
    EXPECT_THAT(refusal([&] { weights_from(*layout, read_safetensors(file), file.string()); }),
                HasSubstr(fmt::format("tensor \"{}\" holds NaN or infinity in 1 of its {} elements "
                                      "(first at {})",
                                      name, tensor.numel(), place)));
  }
}

TEST_F(ModelFiles, AVarianceBelow0IsRefusedFromWhomeverItComes) {
  const Layout norms =
      test::layout_of({.architecture = "resnet18-cifar", .classes = 3, .image_size = 8});
  const TensorWeights weights(initial_tensors(norms, 4), Trained(norms.size()));
  const Submodel full = full_submodel(*norms.architecture);
  TensorUpdate update;
  update.submodel = full;
  update.brings = slice(weights.tensors, norms, full, at::kCPU);
  const auto spoilt = [](TensorFile content, const std::string& prefix) {
    for (auto& [name, tensor] : content.tensors) {
      if (name.find("running_var") == std::string::npos || !name.starts_with(prefix)) continue;
      tensor = tensor.clone();
      tensor[1] = -1e-8F;
      return std::pair(content, name);
    }
    ADD_FAILURE() << "no variance";
    return std::pair(content, std::string());
  };
  const auto [version, of_version] = spoilt(to_file(norms, weights, {}, weights.tensors), "");
  EXPECT_THAT(refusal([&] { weights_from(norms, version, "a file"); }),
              HasSubstr("tensor \"" + of_version + "\" holds a variance of -1e-08"));
  const auto [sent, of_update] = spoilt(to_file(norms, update, Masks::without), "value:");
  EXPECT_THAT(refusal([&] { update_from(norms, sent, "node n"); }),
              HasSubstr("node n: tensor \"" + of_update + "\" holds a variance"));
  const auto [part, of_part] = spoilt(part_to_file(norms, weights, full), "part:");
  EXPECT_THAT(refusal([&] { part_from(norms, part, "the server"); }),
              HasSubstr("tensor \"" + of_part + "\" holds a variance"));
}

TEST_F(ModelFiles, WhatWhoAggregatesRemembersComesBack) {
  TensorState state;
  state.submodel = full_submodel(*layout->architecture);
  state.logits.resize(layout->architecture->groups.size());
  state.rule.emplace();
  state.rule->sizes = {0.1, 1.0 / 3, 2e-30};
  state.rule->aggregations = 7;
  write_safetensors(file, to_file(*layout, state));
  const auto read = state_from(*layout, read_safetensors(file), file.string());
  ASSERT_TRUE(read->rule);
  EXPECT_EQ(read->rule->sizes, state.rule->sizes);
  EXPECT_EQ(read->rule->aggregations, 7);
  EXPECT_TRUE(read->rule->names.empty());
}

TEST_F(ModelFiles, StatesAndUpdatesComeBack) {
  base::Random random({3});
  const Submodel submodel = test::random_submodel(*layout->architecture, random);
  TensorState state;
  state.submodel = submodel;
  state.logits.resize(layout->architecture->groups.size());
  state.logits[0] = at::randn({layout->architecture->groups[0].size});
  OptimizerState optimizer;
  optimizer.steps = 41;
  optimizer.slots.assign(4, Tensors(layout->size()));
  optimizer.slots[1] = slice(initial_tensors(*layout, 2), *layout, submodel, at::kCPU);
  state.optimizer = optimizer;
  write_safetensors(file, to_file(*layout, state));
  const auto read = state_from(*layout, read_safetensors(file), file.string());
  EXPECT_EQ(read->submodel.kept, submodel.kept);
  EXPECT_TRUE(at::equal(read->logits[0], state.logits[0]));
  EXPECT_FALSE(read->logits[1].defined());
  EXPECT_EQ(read->optimizer->steps, 41);
  for (std::size_t i = 0; i < layout->size(); ++i) {
    const Tensor& t = optimizer.slots[1][i];
    EXPECT_EQ(t.defined(), read->optimizer->slots[1][i].defined());
    EXPECT_TRUE(!t.defined() || at::equal(t, read->optimizer->slots[1][i]));
  }

  TensorUpdate update;
  update.submodel = submodel;
  update.brings = slice(initial_tensors(*layout, 5), *layout, submodel, at::kCPU);
  update.samples = 12345;
  update.rate = 0.1;
  write_safetensors(file, to_file(*layout, update, Masks::without));
  const auto again = update_from(*layout, read_safetensors(file), file.string());
  EXPECT_EQ(again->samples, 12345);
  EXPECT_EQ(again->rate, 0.1);
  for (std::size_t i = 0; i < layout->size(); ++i) {
    const Tensor& t = update.brings[i];
    EXPECT_TRUE(!t.defined() || at::equal(t, again->brings[i]));
  }
  EXPECT_THAT(refusal([&] { state_from(*layout, read_safetensors(file), file.string()); }),
              HasSubstr("delta:"));
}

}  // namespace
}  // namespace convoy::engine
