// Every architecture that learns, cut at random places: stages together compute what the whole
// does. (stage_test.cpp cuts a few small ones at every place, and trains them.)

#include <algorithm>

#include "tests/engine/learning/stage_chain.hpp"

namespace convoy::engine {
namespace {

using namespace test;  // NOLINT(*-using-namespace)

constexpr int shards = 4;  // tests that share the architectures, so that they can run side by side

std::vector<std::string> that_learn(int shard) {
  std::vector<std::string> names;
  int number = 0;
  for (const std::string& name : architecture_names()) {
    if (make_architecture({.architecture = name}).per_pixel) continue;  // for timing only
    if (number++ % shards == shard) names.push_back(name);
  }
  return names;
}

// As small as the architecture takes it; the last positions are more than one, since a norm over
// few values has gradients that are nothing but rounding.
ModelOptions smallest(const std::string& name) {
  ModelOptions m = {.architecture = name, .classes = 3, .exits = {0.125, 0.25, 0.5, 1.0}};
  if (input_of(name) == InputKind::tokens) {
    m.sequence = 12;
    m.vocabulary = 60;
  } else {
    const bool patches = name.starts_with("vit-") && name != "vit-micro";
    const bool tiny = name.ends_with("-cifar") || name == "cnn-small" || name == "vit-micro";
    m.image_size = name == "linear" || name == "mlp" ? 8 : tiny ? 16 : patches ? 32 : 64;
  }
  return m;
}

double parameters_of(const Architecture& a) { return trace(a, full_submodel(a)).parameters(); }

// The whole architecture, or where it has many parameters the first blocks of it, to an exit.
std::shared_ptr<const Architecture> affordable(const std::string& name) {
  constexpr double most = 20e6;
  Architecture a = make_architecture(smallest(name));
  while (parameters_of(a) > most && a.exits.size() > 1) {
    a.exits.pop_back();
    a.blocks.resize(static_cast<std::size_t>(a.exits.back().after));
    std::erase_if(a.groups, [&](const Group& group) { return group.block >= a.depth(); });
  }
  return std::make_shared<const Architecture>(std::move(a));
}

// Some of these, rising.
std::vector<int> some(std::vector<int> places, std::size_t count, base::Random& random) {
  base::shuffle(places, random);
  places.resize(std::min(places.size(), count));
  std::sort(places.begin(), places.end());
  return places;
}

Tensors gradients_of_whole(const Model& model, const Batch& batch) {
  const Tensors weights = leaves_of(model);
  const Network network(model.layout, model.submodel);
  const Mode mode{.training = true};
  training_loss(network.forward(weights, batch.input, mode), batch.labels, stage_options().transfer)
      .backward();
  return gradients_of(weights);
}

// One micro-batch through stages: what crosses the first cut, and all gradients.
void expect_as_whole(const Model& model, const std::vector<int>& positions, const Batch& batch,
                     double tolerance) {
  Chain chain(model, positions, stage_options());
  chain.forward(0, batch);
  chain.backward(0);
  const int cut = positions.front();
  const auto [crossed, slopes, gradients] = at_cut(model, cut, batch);
  expect_near(chain.sent.at(0).front(), crossed, tolerance, model.at(cut) + ", forward");
  expect_near(chain.came.at(0).at(positions.size() - 1), slopes, tolerance,
              model.at(cut) + ", backward");
  // Of the whole as it is trained, where the bits are to be the same.
  expect_near(chain.gradients(), tolerance > 0 ? gradients : gradients_of_whole(model, batch),
              tolerance, model.at(cut));
}

void expect_any_cut(const std::string& name, base::Random& random) {
  Model model(affordable(name));
  const Batch batch = model.batch(4);
  const std::vector<int> single = cuts(model.traced);
  ASSERT_FALSE(single.empty()) << name;
  expect_as_whole(model, some(single, 3, random), batch, 0);

  std::vector<int> wide;
  for (const WideCut& place : wide_cuts(model.traced)) wide.push_back(place.cut);
  if (wide.empty()) return;
  expect_as_whole(model, some(wide, 1, random), batch, 1e-5);
  model.use_double();
  expect_as_whole(model, some(wide, 2, random), model.batch(4), 1e-10);
}

class AnyCut : public testing::TestWithParam<int> {};

TEST_P(AnyCut, OfAnArchitectureThatLearnsChangesNothing) {
  const std::vector<std::string> names = that_learn(GetParam());
  ASSERT_FALSE(names.empty());
  base::Random random({20, static_cast<std::uint64_t>(GetParam())});
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    expect_any_cut(name, random);
  }
}

INSTANTIATE_TEST_SUITE_P(Stages, AnyCut, testing::Range(0, shards));

}  // namespace
}  // namespace convoy::engine
