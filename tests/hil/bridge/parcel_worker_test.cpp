// Tests which received updates are saved.

#include "hil/bridge/parcel_worker.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "tests/hil/protocol/support.hpp"
#include "tests/support/files.hpp"

namespace convoy::hil {
namespace {

// An engine that accepts anything as an update.
class Trusting : public engine::Engine {
 public:
  void prepare_thread() const override {}
  std::shared_ptr<const engine::Weights> initial(const std::filesystem::path&) const override {
    return nullptr;
  }
  std::unique_ptr<engine::Session> open(const engine::TaskInput&, std::stop_token) const override {
    return nullptr;
  }
  bool needs_received() const override { return false; }
  std::shared_ptr<const engine::Weights> next_version(
      const std::shared_ptr<const engine::Weights>&,
      const std::shared_ptr<const engine::Artifact>&) const override {
    return nullptr;
  }
  engine::Evaluation evaluate(const engine::Weights&, double,
                              const std::stop_token&) const override {
    return {};
  }
  void save(const engine::Weights&, const std::filesystem::path&, const Metadata&) const override {}
  void save(const engine::NodeState&, const std::filesystem::path&) const override {}
  void save(const engine::Artifact&, const std::filesystem::path&) const override {}
  std::shared_ptr<const engine::Weights> load_weights(const std::filesystem::path&) const override {
    return nullptr;
  }
  std::shared_ptr<const engine::NodeState> load_state(const std::filesystem::path&) const override {
    return nullptr;
  }
  std::shared_ptr<const engine::Artifact> load_artifact(
      const std::filesystem::path&) const override {
    return nullptr;
  }
  engine::Parcel pack(const engine::TaskInput&) const override { return {}; }
  engine::Parcel pack(const engine::Outcome&) const override { return {}; }
  std::unique_ptr<engine::Unpacking> unpack(const std::string&, std::uint64_t,
                                            const std::string&) const override {
    return nullptr;
  }
  std::shared_ptr<const engine::Weights> unpack_weights(engine::Unpacking&) const override {
    return nullptr;
  }
  engine::Outcome unpack_update(engine::Unpacking&, const engine::TaskInput&) const override {
    return {};
  }
};

// A resumed run would take the update of another pass for the task's result.
TEST(ParcelWorker, WritesDownTheLastUpdateOfATaskOnly) {
  const convoy::test::TemporaryFolder folder;
  boost::asio::io_context io;
  ParcelWorker parcels(io, folder.path());
  parcels.use(std::make_shared<Trusting>());
  engine::TaskInput input;
  input.task = 7;
  for (const bool last : {false, true}) {
    std::optional<ParcelWorker::Verdict> verdict;
    parcels.file(std::make_shared<test::Box>(std::vector<std::size_t>{8}),
                 R"({"__metadata__": {"samples": "5"}})", input, 5, last,
                 [&](ParcelWorker::Verdict told) { verdict = std::move(told); });
    ASSERT_TRUE(test::run_until(io, [&] { return verdict.has_value(); }));
    EXPECT_EQ(verdict->trouble + verdict->unsaved, "");
    EXPECT_EQ(parcels.has_filed(7), last);
  }
  parcels.join();
}

}  // namespace
}  // namespace convoy::hil
