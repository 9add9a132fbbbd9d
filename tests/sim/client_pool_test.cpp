// Tests the tasks of a client pool: epochs, memory and bytes of mask phases.

#include "sim/schedule/client_pool.hpp"

#include <gtest/gtest.h>

#include "engine/api/update_bytes.hpp"
#include "engine/model/submodel.hpp"
#include "sim/schedule/cos2p.hpp"
#include "tests/support/hand_machine.hpp"

namespace convoy::sim {
namespace {

std::shared_ptr<Setting> setting_of(const std::string& architecture, int batch) {
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
  explicit Plans(const std::shared_ptr<const Setting>& setting) {
    CoS2POptions options;
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
  const auto setting = setting_of("mlp", 10);
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

// The full width is sent to the node and trained with gates; half of the width is sent back, with
// one bit per gate.
TEST(ClientPool, AMaskPhaseCountsInBytesAndMemory) {
  const auto setting = setting_of("vit-micro", 64);
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
  const auto setting = setting_of("vit-micro", 64);
  const engine::Architecture& a = *setting->architecture;
  CoS2POptions options;
  options.clients.rates = ByMemoryClass<double>({{64, 0.5}});
  const auto plain = CoS2P(setting, options).plan();
  options.clients.compression = {.keep = 0.01, .bits = 8};
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
    EXPECT_EQ(bytes, engine::update_bytes(a, half, options.clients.compression) + masks);
    EXPECT_LT(bytes, 0.1 * Plans::activity(plain[i], "upload").bytes);
  }
}

}  // namespace
}  // namespace convoy::sim
