// Tests that what crosses a cut between machines is the same on both sides, and that nothing else
// than what the model sends is taken.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "base/diagnostics.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/stage_session.hpp"
#include "tests/engine/learning/support.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

constexpr int node = 1;
constexpr int samples = 48;
using Made = std::shared_ptr<const Artifact>;

EngineOptions options_for(const std::string& name) {
  ModelOptions model;
  model.exits = {1};
  model.architecture = name;
  model.classes = 4;
  model.image_size = 16;
  EngineOptions options;
  options.architecture = std::make_shared<const Architecture>(make_architecture(model));
  options.train = test::striped_images(samples, 4, options.architecture->height);
  options.test = options.train;
  options.parts = test::dealt(samples, 1);
  options.rules.transfer.weight = 0;
  options.training.optimizer.momentum = 0.9;
  return options;
}

std::shared_ptr<Activation> copy_of(const Activation& a) {
  auto copy = std::make_shared<Activation>();
  copy->of = a.of;
  copy->cut = a.cut;
  copy->tensors = a.tensors;
  copy->labels = a.labels;
  return copy;
}

std::shared_ptr<StageUpdate> copy_of(const StageUpdate& u) {
  auto copy = std::make_shared<StageUpdate>();
  static_cast<UpdateOrigin&>(*copy) = u;
  copy->stage = u.stage;
  copy->brings = u.brings;
  copy->is_finite = u.is_finite;
  return copy;
}

std::unique_ptr<Unpacking> sent(const Engine& engine, const Parcel& parcel) {
  auto box = engine.unpack(parcel.header, parcel.bytes(), "node 1");
  for (std::size_t i = 0; i < parcel.pieces.size(); ++i) {
    std::memcpy(box->pieces()[i].data(), parcel.pieces[i].data(), parcel.pieces[i].size());
  }
  return box;
}

std::vector<std::byte> bytes_of(const Parcel& parcel) {
  std::vector<std::byte> all;
  for (const auto& piece : parcel.pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

// A device with the first layers (and the last, with `tail`), and a server. On two machines each
// has an engine of its own, the server's without the data, and all that crosses is sent.
struct Machines {
  Machines(const std::string& name, int cut, int tail, bool apart)
      : options(options_for(name)), server(convoy_make_engine(options)), is_apart(apart) {
    device = is_apart ? std::shared_ptr<Engine>(convoy_make_engine(options)) : server;
    layers = whole(trace(*options.architecture, full_submodel(*options.architecture))).last;
    input = {.node = node, .task = 7, .received = server->initial()};
    input.brief.batch = 16;
    front = {0, cut};
    middle = {cut, tail > 0 ? tail : layers};
    last = {tail, layers};
    TaskInput of_server = input;
    of_server.node = 0;
    of_server.part = server->open(input, {})->submodel();
    at_server = server->open(of_server, {});
    if (is_apart) {
      TaskInput packed = input;
      packed.stages = {front};
      if (tail > 0) packed.stages.push_back(last);
      input.received = device->unpack_weights(*sent(*device, server->pack(packed)));
    }
    at_device = device->open(input, {});
  }

  Made up(const Made& made) {
    if (!is_apart) return made;
    const Parcel parcel = device->pack_crossing({made, at_device->outcome().loss});
    const Crossing came = server->unpack_crossing(*sent(*server, parcel), input, samples);
    loss = came.loss;
    return came.artifact;
  }
  Made down(const Made& made) {
    if (!is_apart) return made;
    return device->unpack_crossing(*sent(*device, server->pack_crossing({made, 0})), input, samples)
        .artifact;
  }
  Made on_device(const Work& work, const Made& made) {
    return at_device->run(work, {{input.received, nullptr}, {made, nullptr}});
  }
  Made on_server(const Work& work, const Made& made) { return at_server->run(work, {{made, {}}}); }

  // Trains, and gives the joined update.
  Outcome train(int batches) {
    const bool has_tail = last.first > 0;
    for (int i = 0; i < batches; ++i) {
      Made at =
          up(on_device(Forward{.first = 0, .last = front.last, .labels = !has_tail}, nullptr));
      if (has_tail) {
        at = on_server(Forward{.first = middle.first, .last = middle.last, .labels = false}, at);
        at = up(on_device(TrainStage{last.first, last.last}, down(at)));
        at = on_server(Backward{middle.first, middle.last, 0, true}, at);
      } else {
        at = on_server(TrainStage{middle.first, middle.last}, at);
      }
      on_device(Backward{0, front.last, 0, true}, down(at));
    }
    std::vector<Input> parts = {{up(on_device(TakeStage{0, front.last}, nullptr)), {}}};
    if (has_tail) parts.push_back({up(on_device(TakeStage{last.first, last.last}, nullptr)), {}});
    parts.push_back({on_server(TakeStage{middle.first, middle.last}, nullptr), {}});
    at_server->run(JoinStages{}, parts);
    Outcome outcome = at_server->outcome();
    outcome.loss = is_apart ? loss : at_device->outcome().loss;
    return outcome;
  }

  EngineOptions options;
  std::shared_ptr<Engine> server;
  std::shared_ptr<Engine> device;
  bool is_apart;
  int layers = 0;
  Stage front;
  Stage middle;
  Stage last;
  TaskInput input;
  double loss = 0;
  std::unique_ptr<Session> at_server;
  std::unique_ptr<Session> at_device;
};

class Crossings : public testing::TestWithParam<std::string> {};

TEST_P(Crossings, TwoMachinesLearnWhatOneDoesToTheBit) {
  const EngineOptions options = options_for(GetParam());
  const std::vector<int> positions =
      cuts(trace(*options.architecture, full_submodel(*options.architecture)));
  ASSERT_GE(positions.size(), 2U);
  for (const std::size_t at : {std::size_t{0}, positions.size() / 2}) {
    for (const int tail : {0, positions.back()}) {
      const int cut = positions[at];
      if (tail > 0 && tail <= cut) continue;
      SCOPED_TRACE(testing::Message() << "cut " << cut << ", tail " << tail);
      Machines one(GetParam(), cut, tail, false);
      Machines two(GetParam(), cut, tail, true);
      const Outcome alone = one.train(3);
      const Outcome apart = two.train(3);
      EXPECT_EQ(alone.loss, apart.loss);
      EXPECT_GT(apart.loss, 0);
      EXPECT_TRUE(apart.finite);
      EXPECT_TRUE(bytes_of(one.server->pack(alone)) == bytes_of(two.server->pack(apart)));
      // The result may be kept as any update, and read again.
      TaskInput whole = two.input;
      whole.received = one.input.received;
      const Parcel kept = two.server->pack(apart);
      EXPECT_EQ(two.server->unpack_update(*sent(*two.server, kept), whole).loss, apart.loss);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Crossings,
                         testing::Values("mlp", "cnn-small", "resnet18-cifar", "vit-micro"),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Crossing, ANodeGetsTheLayersOfItsStagesOnly) {
  Machines two("cnn-small", 4, 0, true);
  TaskInput part = two.input;
  part.received = two.server->initial();
  const std::uint64_t all = two.server->pack(part).bytes();
  part.stages = {two.front};
  const std::uint64_t front = two.server->pack(part).bytes();
  part.stages = {two.middle};
  const std::uint64_t rest = two.server->pack(part).bytes();
  EXPECT_LT(front, all);
  EXPECT_LT(rest, all);
  EXPECT_GE(front + rest, all);
}

TEST(Crossing, NoParcelIsLargerThanTheLimit) {
  Machines two("cnn-small", 1, 0, true);
  const Made activation = two.on_device(Forward{.first = 0, .last = 1}, nullptr);
  EXPECT_LE(two.device->pack_crossing({activation, 0}).bytes(),
            largest_crossing(*two.options.architecture, 16));
}

TEST(Crossing, ATensorKeepsTheOrderInWhichItLiesInMemory) {
  const EngineOptions options = options_for("cnn-small");
  const Layout layout(options.architecture);
  Machines one("cnn-small", 4, 0, false);
  const Made made = one.on_device(Forward{.first = 0, .last = 4}, nullptr);
  auto turned = copy_of(dynamic_cast<const Activation&>(*made));
  for (auto& [number, tensor] : turned->tensors) {
    if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  }
  const Parcel parcel = one.server->pack_crossing({turned, 0});
  const Made came =
      one.server->unpack_crossing(*sent(*one.server, parcel), one.input, samples).artifact;
  const auto& there = dynamic_cast<const Activation&>(*came);
  ASSERT_EQ(there.tensors.size(), turned->tensors.size());
  for (const auto& [number, tensor] : turned->tensors) {
    EXPECT_EQ(there.tensors.at(number).strides(), tensor.strides());
    EXPECT_TRUE(at::equal(there.tensors.at(number), tensor));
  }
}

// What a device could send that is not what its task sends.
TEST(Crossing, WhatIsNotOfTheTaskIsRefused) {
  Machines one("cnn-small", 4, 0, false);
  const Made made = one.on_device(Forward{.first = 0, .last = 4}, nullptr);
  const auto refused = [&](const std::function<void(Activation&)>& change) {
    auto wrong = copy_of(dynamic_cast<const Activation&>(*made));
    change(*wrong);
    const Parcel parcel = one.server->pack_crossing({wrong, 0});
    EXPECT_THROW(one.server->unpack_crossing(*sent(*one.server, parcel), one.input, samples),
                 base::UserError);
  };
  refused([](Activation& a) { a.cut = 0; });
  refused([&](Activation& a) { a.cut = one.layers; });
  refused([](Activation& a) { a.of.node = 2; });
  refused([](Activation& a) { a.of.node_samples = samples + 1; });
  refused([](Activation& a) { a.of.node_samples = std::nan(""); });
  refused([](Activation& a) { a.of.samples = 0; });
  refused([](Activation& a) { a.of.samples = 15; });
  refused([](Activation& a) { a.of.samples = 1000; });
  refused([](Activation& a) { a.of.share = 0; });
  refused([](Activation& a) { a.of.share = std::nan(""); });
  refused([](Activation& a) { a.of.counted = -1; });
  refused([](Activation& a) { a.tensors.clear(); });
  refused([](Activation& a) { a.tensors.emplace(0, a.labels); });
  refused([](Activation& a) {
    Tensor& t = a.tensors.begin()->second;
    t = t.slice(1, 1);
  });
  refused([](Activation& a) {
    Tensor& t = a.tensors.begin()->second;
    t = t.to(at::kLong);
  });
  refused([](Activation& a) { a.labels = a.labels.slice(0, 1); });
  refused([](Activation& a) { a.labels = at::full_like(a.labels, 4); });
  refused([](Activation& a) { a.labels = at::full_like(a.labels, -1); });
  refused([](Activation& a) { a.labels = a.labels.to(at::kFloat); });
  EXPECT_THROW(one.server->pack_crossing({one.input.received, 0}), base::UserError);
}

TEST(Crossing, AnUpdateOfAPartOfAnotherTaskIsRefused) {
  Machines one("cnn-small", 4, 0, false);
  one.train(2);
  const Made taken = one.on_device(TakeStage{0, 4}, nullptr);
  const auto refused = [&](const std::function<void(StageUpdate&)>& change) {
    auto wrong = copy_of(dynamic_cast<const StageUpdate&>(*taken));
    change(*wrong);
    const Parcel parcel = one.server->pack_crossing({wrong, 0});
    EXPECT_THROW(one.server->unpack_crossing(*sent(*one.server, parcel), one.input, samples),
                 base::UserError);
  };
  refused([](StageUpdate& u) { u.base_version = 3; });
  refused([](StageUpdate& u) { u.rate = 0.5; });
  refused([](StageUpdate& u) { u.samples = 1e6; });
  refused([&](StageUpdate& u) { u.stage.last = one.layers; });
  refused([](StageUpdate& u) { u.stage.last = 500; });
  // NaN is no lie: it is said, and what it is joined to is not finite.
  auto nan = copy_of(dynamic_cast<const StageUpdate&>(*taken));
  for (Tensor& t : nan->brings) {
    if (t.defined()) t = at::full_like(t, std::nan(""));
  }
  const Parcel parcel = one.server->pack_crossing({nan, 0});
  const Crossing came = one.server->unpack_crossing(*sent(*one.server, parcel), one.input, samples);
  EXPECT_FALSE(dynamic_cast<const StageUpdate&>(*came.artifact).is_finite);
}

}  // namespace
}  // namespace convoy::engine
