// Models that are sent compressed: what arrives, what is trained from it, what the server makes of
// the update; and that a real node gets the same as a simulated one, or refuses it.

#include "engine/learning/encoded_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "engine/api/update_bytes.hpp"
#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/files.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

const Compression half = {.keep = 0.5, .feedback = false};
const Compression third_in_bytes = {.keep = 0.3, .bits = 8, .feedback = false};
const Compression few = {.keep = 0.01, .bits = 8, .feedback = false};

std::shared_ptr<const Rule> rule_of(const std::string& keys) {
  base::Diagnostics problems;
  const base::Value table = base::parse_toml("aggregation = " + keys, "test", problems);
  base::TableReader reader(table, "schedule", problems);
  auto made = read_aggregation(reader).rule;
  EXPECT_EQ(problems.str(), "");
  return made;
}

class EncodedModel : public testing::Test {
 protected:
  explicit EncodedModel(const std::string& architecture = "resnet18-cifar") {
    ModelOptions model;
    model.architecture = architecture;
    model.classes = 4;
    if (architecture == "resnet18-cifar") model.image_size = 8;  // it has running statistics
    options_.architecture = std::make_shared<const Architecture>(make_architecture(model));
    layout_.emplace(options_.architecture);
    const int size = architecture == "resnet18-cifar" ? 8 : 28;
    options_.train = test::striped_images(16, 4, size);
    options_.test = options_.train;
    options_.parts = test::dealt(16, 1);
    options_.training.optimizer.learning_rate = 0.05;
    open();
  }

  void open() {
    engine_.reset(convoy_make_engine(options_));
    weights_ = engine_->initial();
  }
  const Architecture& architecture() const { return *options_.architecture; }
  const Layout& layout() const { return *layout_; }

  TaskInput input(const Compression& download, double rate = 1) const {
    TaskInput made{.node = 1, .task = 7, .received = weights_};
    made.brief.rate = rate;
    made.brief.batch = 8;
    made.brief.set_download(download);
    return made;
  }

  // As the server sends it in the simulation.
  std::shared_ptr<const Artifact> encoded(const TaskInput& of) const {
    TaskInput server = of;
    server.node = 0;
    server.part = engine_->open(of, {})->submodel();
    return engine_->open(server, {})->run(EncodeModel{}, {{weights_, nullptr}});
  }

  // The node's part in the simulation: each work is given what the one before made.
  Outcome simulated(const TaskInput& of, bool learns_masks = false) const {
    const auto session = engine_->open(of, {});
    auto made = session->run(DecodeModel{}, {{encoded(of), nullptr}});
    if (learns_masks) made = session->run(LearnMasks{1}, {{made, nullptr}});
    session->run(Train{1, {}}, {{made, nullptr}});
    return session->outcome();
  }

  // What comes out on the other side of the wire; `damage` may change it on its way.
  template <class Damage>
  std::shared_ptr<const Weights> sent(const TaskInput& of, Damage damage) const {
    const Parcel parcel = engine_->pack(of);
    const auto box = engine_->unpack(parcel.header, parcel.bytes(), "a peer");
    auto to = box->pieces().begin();
    for (const auto& piece : parcel.pieces) {
      EXPECT_EQ(to->size(), piece.size());
      std::memcpy(to++->data(), piece.data(), piece.size());
    }
    damage(box->pieces());
    return engine_->unpack_weights(*box);
  }
  std::shared_ptr<const Weights> sent(const TaskInput& of) const {
    return sent(of, [](const auto&) {});
  }

  // A real node's part: each work is given what came.
  Outcome real(const TaskInput& of, bool learns_masks = false) const {
    TaskInput there = of;
    there.received = sent(of);
    const auto session = engine_->open(there, {});
    session->run(DecodeModel{}, {{there.received, nullptr}});
    if (learns_masks) session->run(LearnMasks{1}, {{there.received, nullptr}});
    session->run(Train{1, {}}, {{there.received, nullptr}});
    return session->outcome();
  }

  Outcome arrived(const Outcome& outcome, const TaskInput& of) const {
    const Parcel parcel = engine_->pack(outcome);
    const auto box = engine_->unpack(parcel.header, parcel.bytes(), "a peer");
    auto to = box->pieces().begin();
    for (const auto& piece : parcel.pieces) std::memcpy(to++->data(), piece.data(), piece.size());
    return engine_->unpack_update(*box, of);
  }

  static void expect_equal(const Tensors& a, const Tensors& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
      if (a[i].defined()) {
        EXPECT_TRUE(at::equal(a[i], b[i])) << i;
      }
    }
  }

  EngineOptions options_;
  std::optional<Layout> layout_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Weights> weights_;
};

TEST_F(EncodedModel, BringsTheLargestElementsAndRunningStatisticsWhole) {
  const auto made = decode_model(
      layout(), *encode_model(layout(), inside(*weights_), full_submodel(architecture()), half));
  ASSERT_TRUE(made->part);
  EXPECT_FALSE(made->is_encoded());
  for (std::size_t i = 0; i < layout().size(); ++i) {
    const ParameterTensor& p = layout().tensors[i];
    const Tensor& now = made->tensors[i];
    const Tensor& before = inside(*weights_).tensors[i];
    if (p.buffer) {
      EXPECT_TRUE(at::equal(now, before)) << p.name;
      continue;
    }
    const Tensor is_there = now != 0;
    EXPECT_TRUE(at::equal(at::where(is_there, before, at::zeros_like(before)), now)) << p.name;
    const Tensor left_out = before.masked_select(is_there.logical_not()).abs();
    const Tensor kept = before.masked_select(is_there).abs();
    if (left_out.numel() > 0 && kept.numel() > 0) {
      EXPECT_LE(left_out.max().item<float>(), kept.min().item<float>()) << p.name;
    }
  }
}

TEST_F(EncodedModel, IsTheSameForASimulatedAndARealNode) {
  for (const Compression& download : {half, third_in_bytes}) {
    for (const double rate : {1.0, 0.5}) {
      const TaskInput task = input(download, rate);
      const Outcome one = simulated(task);
      const Outcome other = real(task);
      expect_equal(test::update_of(one).brings, test::update_of(other).brings);
      const Outcome there = arrived(other, task);
      expect_equal(test::update_of(there).brings, test::update_of(one).brings);
      EXPECT_EQ(test::update_of(there).received_as, test::update_of(one).received_as);
    }
  }
}

TEST_F(EncodedModel, AsManyBytesTravelAsTheCostsSay) {
  for (const Compression& download : {half, third_in_bytes, few}) {
    for (const double rate : {1.0, 0.5}) {
      const TaskInput task = input(download, rate);
      const Submodel part = engine_->open(task, {})->submodel();
      double kept = 0;
      for (const auto& members : part.kept) kept += 4.0 * std::ssize(members);
      EXPECT_EQ(static_cast<double>(engine_->pack(task).bytes()) - kept,
                update_bytes(architecture(), part, download));
    }
  }
}

// Not the change since the version that was sent.
TEST_F(EncodedModel, TheUpdateIsTheChangeSinceWhatArrived) {
  options_.training.optimizer.learning_rate = 1e-9;
  open();
  const Outcome outcome = simulated(input(half));
  for (std::size_t i = 0; i < layout().size(); ++i) {
    if (layout().tensors[i].buffer) continue;
    EXPECT_LT(test::update_of(outcome).brings[i].abs().max().item<float>(), 1e-6) << i;
  }
}

TEST_F(EncodedModel, WhatIsNotAsTheTaskSaysIsRefused) {
  const TaskInput task = input(half);
  const auto came = encoded(task);
  {
    const auto session = engine_->open(task, {});
    EXPECT_THROW(session->run(Train{1, {}}, {{came, nullptr}}), base::UserError) << "not decoded";
  }
  {
    const auto session = engine_->open(task, {});
    EXPECT_THROW(session->run(DecodeModel{}, {{weights_, nullptr}}), base::UserError) << "whole";
    EXPECT_THROW(session->run(Train{1, {}}, {{weights_, nullptr}}), base::UserError)
        << "it was to come compressed";
  }
  {
    const auto session = engine_->open(input(third_in_bytes), {});
    EXPECT_THROW(session->run(DecodeModel{}, {{came, nullptr}}), base::UserError)
        << "otherwise compressed";
  }
  {
    const auto session = engine_->open(input({}), {});
    EXPECT_THROW(session->run(Train{1, {}}, {{came, nullptr}}), base::UserError)
        << "it was not told of any compression";
  }
  {
    const auto session = engine_->open(task, {});
    EXPECT_THROW(session->run(EncodeModel{}, {{weights_, nullptr}}), base::UserError)
        << "which part?";
  }
  const Outcome outcome = simulated(task);
  EXPECT_NO_THROW(arrived(outcome, task));
  EXPECT_THROW(arrived(outcome, input({})), base::UserError) << "trained from another model";
  EXPECT_THROW(arrived(outcome, input(third_in_bytes)), base::UserError);
}

TEST_F(EncodedModel, WhatIsDamagedOnTheWayIsRefused) {
  for (const Compression& download : {half, few}) {  // places as bits, and as lists
    try {
      sent(input(download), [&](const auto& pieces) {
        // After the lists of what is kept: places, values and scales.
        for (std::size_t i = architecture().groups.size(); i < pieces.size(); ++i) {
          if (pieces[i].size() > 8) std::memset(pieces[i].data(), 0xff, pieces[i].size());
        }
      });
      FAIL() << download.keep;
    } catch (const base::UserError& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("a peer: tensor"));
      EXPECT_THAT(e.what(), testing::HasSubstr("the places of a compressed tensor"));
    }
  }
  const Parcel whole = engine_->pack(input(half));
  EXPECT_THROW(engine_->unpack(whole.header, whole.bytes() - 4, "a peer"), base::UserError);
  // A tensor that is longer than what was to be sent of it.
  std::string header = whole.header;
  const std::size_t at = header.find("\"keep\":\"0.5\"");
  ASSERT_NE(at, std::string::npos);
  header.replace(at, 12, "\"keep\":\"0.4\"");
  const auto box = engine_->unpack(header, whole.bytes(), "a peer");
  try {
    engine_->unpack_weights(*box);
    FAIL();
  } catch (const base::UserError& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("a peer"));
  }
}

// Rules that mix values: C(W) + change, not W + change.
TEST_F(EncodedModel, RulesThatMixValuesGetWhatWasTrained) {
  options_.rules.aggregation.rule =
      rule_of("{ rule = \"fedasync\", alpha = 1, staleness = \"constant\" }");
  open();
  ASSERT_TRUE(engine_->needs_received());
  for (const double rate : {1.0, 0.5}) {
    const TaskInput task = input(third_in_bytes, rate);
    const Outcome outcome = simulated(task);
    const TensorUpdate& update = test::update_of(outcome);
    const auto next = test::aggregate(*engine_, weights_, {{outcome.result, weights_}}).weights;
    const auto came = decode_model(
        layout(), *encode_model(layout(), inside(*weights_), update.submodel, third_in_bytes));
    for (std::size_t i = 0; i < layout().size(); ++i) {
      const ParameterTensor& p = layout().tensors[i];
      if (p.buffer || !update.brings[i].defined()) continue;
      const Tensor made =
          slice(inside(*next).tensors[i], kept_of(p, architecture(), update.submodel));
      const Tensor wanted = came->tensors[i] + update.brings[i];
      EXPECT_LE((made - wanted).abs().max().item<float>(), 1e-6) << p.name;
    }
  }
}

TEST_F(EncodedModel, IsToldAlsoOfUpdatesThatAreEncodedScaledOrKept) {
  TaskInput task = input(half);
  task.brief.compression = {.keep = 0.1};
  const auto session = engine_->open(task, {});
  const auto model = session->run(DecodeModel{}, {{encoded(task), nullptr}});
  const auto update = session->run(Train{1, {}}, {{model, nullptr}});
  session->run(Encode{}, {{update, nullptr}});
  const Outcome outcome = session->outcome();
  ASSERT_TRUE(test::update_of(outcome).received_as);
  const convoy::test::TemporaryFolder folder;
  engine_->save(*outcome.result, folder.path() / "update");
  const auto kept = as_update(engine_->load_artifact(folder.path() / "update"));
  EXPECT_EQ(kept->received_as, test::update_of(outcome).received_as);
  EXPECT_EQ(test::update_of(arrived(outcome, task)).received_as, kept->received_as);
}

// What the updates before did not bring comes along where updates are no longer compressed.
TEST_F(EncodedModel, AtTheEndOfADecayTheRestComesAlong) {
  TaskInput first = input({});
  first.brief.compression = {.keep = 0.1};
  const auto begun = engine_->open(first, {});
  const auto update = begun->run(Train{1, {}}, {{weights_, nullptr}});
  begun->run(Encode{}, {{update, nullptr}});
  const Outcome before = begun->outcome();
  const Tensors& residual = inside(*before.state).residual;
  ASSERT_FALSE(residual.empty());
  const auto whole = [&](std::shared_ptr<const NodeState> state) {
    TaskInput task = input({});
    task.task = 8;
    task.state = std::move(state);
    const auto session = engine_->open(task, {});
    session->run(Train{1, {}}, {{weights_, nullptr}});
    return session->outcome();
  };
  const Outcome with = whole(before.state);
  const Outcome without = whole(nullptr);
  EXPECT_TRUE(inside(*with.state).residual.empty()) << "it was sent";
  for (std::size_t i = 0; i < layout().size(); ++i) {
    if (layout().tensors[i].buffer) continue;
    EXPECT_TRUE(at::equal(test::update_of(with).brings[i],
                          test::update_of(without).brings[i] + residual[i]))
        << i;
  }
}

class EncodedWideModel : public EncodedModel {
 protected:
  EncodedWideModel() : EncodedModel("mlp") {}
};

// Masks are learned from the full width that came; the update is of what was kept of it.
TEST_F(EncodedWideModel, OfWhichASubmodelIsLearned) {
  options_.rules.mask.selection = Selection::learned;
  options_.rules.aggregation.rule =
      rule_of("{ rule = \"fedasync\", alpha = 1, staleness = \"constant\" }");
  open();
  TaskInput task = input(third_in_bytes, 0.5);
  task.brief.choose_masks = true;
  const Outcome one = simulated(task, true);
  const Outcome other = real(task, true);
  const TensorUpdate& update = test::update_of(one);
  expect_equal(update.brings, test::update_of(other).brings);
  EXPECT_TRUE(update.received_as->is_wide);
  EXPECT_NO_THROW(arrived(other, task));
  // Where it began is a part of the wide model as that was sent.
  const auto wide =
      decode_model(layout(), *encode_model(layout(), inside(*weights_),
                                           depth_submodel(architecture(), 0.5), third_in_bytes));
  for (std::size_t i = 0; i < layout().size(); ++i) {
    const ParameterTensor& p = layout().tensors[i];
    if (!update.brings[i].defined()) continue;
    const Kept kept = kept_of(p, architecture(), update.submodel);
    const Tensor began = trained_from(layout(), inside(*weights_), update, i);
    EXPECT_TRUE(at::equal(slice(began, kept), part_of(*wide, layout(), update.submodel, i)))
        << p.name;
  }
}

// Elements that were not sent for the update's node are those of the version.
TEST_F(EncodedWideModel, WhereAnUpdateBeganIsTheVersionElsewhere) {
  const Outcome outcome = simulated(input(half, 0.5));
  const TensorUpdate& update = test::update_of(outcome);
  for (std::size_t i = 0; i < layout().size(); ++i) {
    const ParameterTensor& p = layout().tensors[i];
    const Tensor& version = inside(*weights_).tensors[i];
    const Tensor began = trained_from(layout(), inside(*weights_), update, i);
    if (!update.brings[i].defined()) {
      EXPECT_TRUE(at::equal(began, version)) << p.name;
      continue;
    }
    const Kept kept = kept_of(p, architecture(), update.submodel);
    Tensor outside = at::ones(p.shape, at::kBool);
    const auto index = [](const std::vector<std::int64_t>& of, std::int64_t all) {
      return of.empty() ? at::arange(all) : at::tensor(of, at::kLong);
    };
    if (p.shape.size() > 1) {
      outside.index_put_(
          {index(kept.rows, p.shape[0]).unsqueeze(1), index(kept.columns, p.shape[1]).unsqueeze(0)},
          at::zeros({}, at::kBool));
    } else {
      outside.index_put_({index(kept.rows, p.shape[0])}, at::zeros({}, at::kBool));
    }
    EXPECT_TRUE(at::equal(began.masked_select(outside), version.masked_select(outside))) << p.name;
  }
}

}  // namespace
}  // namespace convoy::engine
