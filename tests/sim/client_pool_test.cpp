// Tests the tasks of a client pool: epochs, memory and bytes of mask phases.

#include "sim/schedule/client_pool.hpp"

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "engine/api/update_bytes.hpp"
#include "engine/model/submodel.hpp"
#include "sim/schedule/cos2p.hpp"
#include "tests/support/hand_machine.hpp"

namespace convoy::sim {
namespace {

std::shared_ptr<Setting> setting_with_batch(const std::string& architecture, int batch) {
  auto machine = std::make_shared<platforms::Machine>(test::hand_machine(1e12, 1e11));
  machine->memory = 64e9;
  machine->memory_class_gb = 64;
  auto setting = std::make_shared<Setting>();
  engine::ModelOptions model;
  model.architecture = architecture;
  model.classes = 10;
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  for (int i = 0; i < 2; ++i) setting->nodes.push_back({"n", machine, 100, batch});
  return setting;
}

// The planned tasks of one node at rate 0.5: one with a mask phase, one without.
struct Plans {
  explicit Plans(const std::shared_ptr<const Setting>& setting,
                 const engine::MaskOptions& chosen = {}) {
    CoS2POptions options;
    options.clients.learning.mask = chosen;
    options.clients.rates = ByMemoryClass<double>({{64, 0.5}});
    for (const PlannedTask& task : CoS2P(setting, options).plan()) {
      if (task.node == server_node) continue;
      (task.label == "mask" ? mask : train) = task;
    }
  }

  static const Activity& activity(const PlannedTask& task, const std::string& label) {
    for (const Activity& a : task.graph->activities()) {
      if (a.label == label) return a;
    }
    throw std::runtime_error("no activity " + label);
  }

  PlannedTask mask;
  PlannedTask train;
};

TEST(ClientPool, AMaskPhaseTakesHalfOfTheEpochsAndNoneIsLost) {
  const auto setting = setting_with_batch("mlp", 10);
  for (const int epochs : {1, 2, 3, 5, 8}) {
    setting->local_epochs = epochs;
    setting->local_steps.reset();
    Plans plans(setting);
    const auto work = [](const PlannedTask& task) {
      return std::get<engine::Train>(Plans::activity(task, "train").work);
    };
    EXPECT_EQ(work(plans.train).epochs, epochs);
    EXPECT_EQ(work(plans.mask).epochs, (epochs + 1) / 2) << epochs;
    setting->local_steps = epochs;
    plans = Plans(setting);
    EXPECT_EQ(work(plans.train).steps, epochs);
    EXPECT_EQ(work(plans.mask).steps, (epochs + 1) / 2) << epochs;
  }
}

// A pass for the members' importance costs less than one that learns gates (nothing is updated),
// takes the batches that it is given, and leaves the weights their epochs.
TEST(ClientPool, ImportanceCostsAPassWithoutAnOptimizer) {
  auto setting = setting_with_batch("mlp", 10);
  setting->local_epochs = 4;
  setting->optimizer = engine::Optimizer::adan;
  const auto plans = [&](engine::MaskOptions mask) { return Plans(setting, mask); };
  const Plans learned = plans({.epochs = 1});
  const Plans scored = plans({.selection = engine::Selection::importance, .epochs = 1});
  const Activity& learning = Plans::activity(learned.mask, "mask");
  const Activity& scoring = Plans::activity(scored.mask, "mask");
  EXPECT_LT(scoring.seconds, learning.seconds);
  EXPECT_LT(scoring.memory, learning.memory);
  EXPECT_EQ(std::get<engine::ScoreMembers>(scoring.work).epochs, 1);
  const auto epochs = [](const Plans& of) {
    return std::get<engine::Train>(Plans::activity(of.mask, "train").work).epochs;
  };
  EXPECT_EQ(epochs(learned), 2);
  EXPECT_EQ(epochs(scored), 4);
  engine::MaskOptions few{.selection = engine::Selection::importance, .epochs = 1};
  few.steps = 2;  // of the ten batches of an epoch
  const Activity part = Plans::activity(plans(few).mask, "mask");
  EXPECT_NEAR(part.seconds, scoring.seconds / 5, 1e-12);
  EXPECT_EQ(std::get<engine::ScoreMembers>(part.work).steps, 2);
}

// The full width is sent to the node and trained with gates; half of the width is sent back, with
// one bit per gate.
TEST(ClientPool, AMaskPhaseCountsInBytesAndMemory) {
  const auto setting = setting_with_batch("vit-micro", 64);
  const engine::Architecture& a = *setting->architecture;
  const Plans plans(setting);
  const engine::Submodel wide = engine::depth_submodel(a, 0.5);
  const double half = engine::transfer_bytes(engine::trace(a, engine::nested_submodel(a, 0.5)));
  EXPECT_EQ(Plans::activity(plans.mask, "download").bytes,
            engine::transfer_bytes(engine::trace(a, wide)));
  EXPECT_EQ(Plans::activity(plans.train, "download").bytes, half);
  double gates = 0;
  for (const int size : engine::sizes_of(wide)) gates += size;
  EXPECT_GT(gates, 0);
  EXPECT_EQ(Plans::activity(plans.mask, "upload").bytes, half + gates / 8);
  EXPECT_EQ(Plans::activity(plans.train, "upload").bytes, half);

  const double in_mask_phase = engine::training_memory(engine::trace(a, wide, true),
                                                       setting->optimizer, engine::Phase::mask, 64)
                                   .total();
  const double in_weight_phase = Plans::activity(plans.train, "train").memory;
  ASSERT_GT(in_mask_phase, in_weight_phase) << "a model whose mask phase is the larger is wanted";
  EXPECT_EQ(Plans::activity(plans.mask, "mask").memory, in_mask_phase);
  EXPECT_EQ(plans.mask.memory, in_mask_phase);
  EXPECT_EQ(plans.train.memory, in_weight_phase);
}

// Compression reduces the bytes on the wire. Encoding takes time and memory on the node. The size
// of the update in aggregation is unchanged.
TEST(ClientPool, ACompressedUpdateIsEncodedAndTravelsInFewerBytes) {
  const auto setting = setting_with_batch("vit-micro", 64);
  const engine::Architecture& a = *setting->architecture;
  CoS2POptions options;
  options.clients.rates = ByMemoryClass<double>({{64, 0.5}});
  const auto plain = CoS2P(setting, options).plan();
  options.clients.compression.update.first = {.keep = 0.01, .bits = 8};
  const auto compressed = CoS2P(setting, options).plan();
  ASSERT_EQ(plain.size(), compressed.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i].node == server_node) {
      EXPECT_EQ(compressed[i].graph->activities().front().memory,
                plain[i].graph->activities().front().memory);
      continue;
    }
    const Activity& encode = Plans::activity(compressed[i], "encode");
    EXPECT_GT(encode.seconds, 0);
    EXPECT_GT(encode.memory, 0);
    EXPECT_EQ(Plans::activity(compressed[i], "download").bytes,
              Plans::activity(plain[i], "download").bytes);
    const engine::Submodel half = engine::nested_submodel(a, 0.5);
    const double masks =
        Plans::activity(plain[i], "upload").bytes - engine::transfer_bytes(engine::trace(a, half));
    const double bytes = Plans::activity(compressed[i], "upload").bytes;
    EXPECT_EQ(bytes,
              engine::update_bytes(a, half, options.clients.compression.update.first) + masks);
    EXPECT_LT(bytes, 0.1 * Plans::activity(plain[i], "upload").bytes);
  }
}

const Activity* find(const TaskGraph& graph, const std::string& label) {
  for (const Activity& a : graph.activities()) {
    if (a.label == label) return &a;
  }
  return nullptr;
}

Event published(std::int64_t version) { return {.kind = EventKind::published, .version = version}; }

ClientPoolOptions decaying() {
  ClientPoolOptions options;
  options.compression.update.first = {.keep = 0.4, .bits = 32};
  options.compression.update.every = 2;
  options.compression.update.factor = 0.5;
  options.compression.update.keep_to = 0.05;
  options.compression.update.bits_to = 8;
  options.compression.update.bits_change = true;
  return options;
}

// Costs, bytes and what the node is told follow the version that a task starts from.
TEST(ClientPool, CompressionFollowsTheVersionOfATask) {
  const auto setting = setting_with_batch("mlp", 10);
  const engine::Architecture& a = *setting->architecture;
  ClientPool pool(setting, decaying());
  pool.note({.kind = EventKind::run_started});
  double before = 0;
  for (const auto& [version, keep, bits] : std::vector<std::tuple<std::int64_t, double, int>>{
           {0, 0.4, 32}, {1, 0.4, 32}, {2, 0.2, 8}, {5, 0.1, 8}, {6, 0.05, 8}, {90, 0.05, 8}}) {
    if (version > 0) pool.note(published(version));
    const Assign task = pool.assign(1);
    EXPECT_EQ(task.brief.compression, (engine::Compression{.keep = keep, .bits = bits})) << version;
    const Activity& upload = *find(*task.graph, "upload");
    EXPECT_EQ(upload.bytes,
              engine::update_bytes(a, engine::full_submodel(a), {.keep = keep, .bits = bits}))
        << version;
    EXPECT_EQ(upload.whole_bytes, engine::update_bytes(a, engine::full_submodel(a), {}));
    EXPECT_TRUE(before == 0 || upload.bytes <= before);
    before = upload.bytes;
  }
}

TEST(ClientPool, ADecayThatNobodyFollowsIsRefusedByName) {
  ClientPool pool(setting_with_batch("mlp", 10), decaying());
  try {
    pool.assign(1);  // by a schedule that tells the pool of no events
    FAIL();
  } catch (const base::UserError& e) {
    EXPECT_NE(std::string(e.what()).find("schedule.compression.decay"), std::string::npos);
  }
}

// A node that once sent less than all keeps the rest, also where it now sends everything.
TEST(ClientPool, AResidualCountsWhereUpdatesGoWholeInTheEnd) {
  const auto setting = setting_with_batch("mlp", 10);
  ClientPoolOptions options;
  const Assign plain = ClientPool(setting, options).assign(1);
  options.compression.update.first = {.keep = 0.5};
  options.compression.update.every = 1;
  options.compression.update.factor = 2;
  ClientPool pool(setting, options);
  pool.note({.kind = EventKind::run_started});
  pool.note(published(1));
  const Assign whole = pool.assign(1);
  EXPECT_TRUE(whole.brief.compression.is_none());
  EXPECT_EQ(find(*whole.graph, "encode"), nullptr);
  EXPECT_EQ(find(*whole.graph, "upload")->whole_bytes, 0);
  const engine::Architecture& a = *setting->architecture;
  EXPECT_EQ(find(*whole.graph, "train")->memory - find(*plain.graph, "train")->memory,
            4 * engine::trace(a, engine::full_submodel(a)).parameters());
}

// The server encodes, the bytes travel, the node decodes.
TEST(ClientPool, ACompressedModelIsEncodedAtTheServerAndDecodedOnTheNode) {
  const auto setting = setting_with_batch("vit-micro", 64);
  const engine::Architecture& a = *setting->architecture;
  ClientPoolOptions options;
  options.rates = ByMemoryClass<double>({{64, 0.5}});
  options.learning.mask.tasks = 1;
  const engine::Compression down{.keep = 0.3, .bits = 8, .feedback = false};
  options.compression.download.first = down;
  ClientPool pool(setting, options);
  for (const bool masks : {true, false}) {
    const Assign task = pool.assign(1);
    ASSERT_EQ(task.label == "mask", masks);
    EXPECT_EQ(task.brief.download(), down);
    const engine::Submodel sent =
        masks ? engine::depth_submodel(a, 0.5) : engine::nested_submodel(a, 0.5);
    const Activity& encode = *find(*task.graph, "encode model");
    const Activity& download = *find(*task.graph, "download");
    const Activity& decode = *find(*task.graph, "decode model");
    EXPECT_EQ(encode.at, 0);
    EXPECT_GT(encode.seconds, 0);
    EXPECT_GT(encode.memory, engine::transfer_bytes(engine::trace(a, sent)));
    EXPECT_EQ(decode.at, 1);
    EXPECT_GT(decode.seconds, 0);
    EXPECT_GT(decode.memory, 0);
    EXPECT_EQ(download.bytes, engine::update_bytes(a, sent, down));
    EXPECT_EQ(download.whole_bytes, engine::transfer_bytes(engine::trace(a, sent)));
    EXPECT_LT(download.bytes, 0.5 * download.whole_bytes);
    EXPECT_EQ(find(*task.graph, "upload")->whole_bytes, 0) << "the update goes whole";
    // One after the other: the server, the wire, the node, its training.
    std::vector<std::string> labels;
    for (const Activity& activity : task.graph->activities()) labels.push_back(activity.label);
    labels.resize(3);
    EXPECT_EQ(labels, (std::vector<std::string>{"encode model", "download", "decode model"}));
    for (int i = 1; i < 4; ++i) EXPECT_EQ(task.graph->waits_for()[i], 1);
    pool.done(task.task);
  }
}

TEST(ClientPool, AServerTooSmallToCompressModelsIsRefused) {
  const auto setting = setting_with_batch("vit-micro", 64);
  auto small = std::make_shared<platforms::Machine>(*setting->nodes[0].machine);
  small->memory = 1e3;
  setting->nodes[0].machine = small;
  ClientPoolOptions options;
  EXPECT_NO_THROW(ClientPool(setting, options));
  options.compression.download.first = {.keep = 0.3, .feedback = false};
  try {
    ClientPool(setting, options);
    FAIL();
  } catch (const base::UserError& e) {
    EXPECT_NE(std::string(e.what()).find("schedule.compression.download"), std::string::npos);
  }
}

TEST(ClientPool, WhereTheBytesAreGivenNothingIsCompressed) {
  const auto setting = setting_with_batch("mlp", 10);
  setting->fixed = FixedCost{};
  ClientPoolOptions options;
  EXPECT_NO_THROW(ClientPool(setting, options));
  options.compression.download.first = {.keep = 0.3, .feedback = false};
  EXPECT_THROW(ClientPool(setting, options), base::UserError);
  EXPECT_THROW(ClientPool(setting, decaying()), base::UserError);
}

TEST(ClientPool, SaysThatRollingWindowsLoseWhatWasNotSent) {
  const auto setting = setting_with_batch("mlp", 10);
  ClientPoolOptions options;
  options.rates = ByMemoryClass<double>({{64, 0.5}});
  options.learning.mask.selection = engine::Selection::rolling;
  EXPECT_TRUE(ClientPool(setting, options).remarks().empty());
  options.compression.update.first.keep = 0.1;
  EXPECT_EQ(ClientPool(setting, options).remarks().size(), 1);
  options.compression.update.first.feedback = false;
  EXPECT_TRUE(ClientPool(setting, options).remarks().empty());
  options.compression.update.first.feedback = true;
  options.learning.mask.selection = engine::Selection::nested;
  EXPECT_TRUE(ClientPool(setting, options).remarks().empty());
}

// Steps instead of the epochs that the training says, with their own time and samples.
TEST(ClientPool, ATaskMayHaveStepsOfItsOwn) {
  const auto setting = setting_with_batch("mlp", 10);  // 100 samples: 10 batches
  ClientPool pool(setting, {});
  const Assign usual = pool.assign(1);
  const Assign few = pool.assign(1, {.steps = 4});
  EXPECT_EQ(std::get<engine::Train>(find(*few.graph, "train")->work).steps, 4);
  EXPECT_EQ(few.samples, 40);
  EXPECT_DOUBLE_EQ(find(*few.graph, "train")->seconds, 0.4 * find(*usual.graph, "train")->seconds);
}

}  // namespace
}  // namespace convoy::sim
