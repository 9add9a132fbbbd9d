// Tests which received updates are saved.

#include "hil/bridge/parcel_worker.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <optional>

#include "engine/model/architecture.hpp"
#include "tests/hil/protocol/support.hpp"
#include "tests/support/files.hpp"
#include "tests/support/idle_engine.hpp"

namespace convoy::hil {
namespace {

// An engine that accepts anything as an update.
class Trusting : public convoy::test::IdleEngine {
 public:
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
    EXPECT_EQ(sim::UpdateFolder(folder.path()).has(7), last);
  }
  parcels.join();
}

// An engine whose work goes on only when the I/O thread has done something meanwhile.
class Waiting : public convoy::test::IdleEngine {
 public:
  explicit Waiting(std::shared_future<void> other) : other_(std::move(other)) {}
  std::unique_ptr<engine::Unpacking> unpack(const std::string&, std::uint64_t,
                                            const std::string&) const override {
    wait();
    return std::make_unique<test::Box>(std::vector<std::size_t>{8});
  }
  engine::Outcome unpack_update(engine::Unpacking&, const engine::TaskInput&) const override {
    wait();
    return {};
  }
  mutable int waited = 0;

 private:
  void wait() const {
    if (other_.wait_for(std::chrono::seconds(60)) == std::future_status::ready) ++waited;
  }
  std::shared_future<void> other_;
};

TEST(ParcelWorker, KeepsTheSocketsGoingMeanwhile) {
  const convoy::test::TemporaryFolder folder;
  boost::asio::io_context io;
  ParcelWorker parcels(io, folder.path());
  std::promise<void> other;
  const auto engine = std::make_shared<Waiting>(other.get_future().share());
  parcels.use(engine);
  parcels.limit(engine::make_architecture({.architecture = "mlp"}));
  std::shared_ptr<engine::Unpacking> box;
  bool filed = false;
  parcels.box("{}", 8, "a", [&](auto made, const std::string& trouble) {
    EXPECT_EQ(trouble, "");
    box = std::move(made);
  });
  parcels.file(std::make_shared<test::Box>(std::vector<std::size_t>{8}),
               R"({"__metadata__": {"samples": "5"}})", {}, 5, true,
               [&](const ParcelWorker::Verdict&) { filed = true; });
  boost::asio::post(io, [&] { other.set_value(); });
  ASSERT_TRUE(test::run_until(io, [&] { return box != nullptr && filed; }));
  parcels.join();
  EXPECT_EQ(engine->waited, 2);
}

}  // namespace
}  // namespace convoy::hil
