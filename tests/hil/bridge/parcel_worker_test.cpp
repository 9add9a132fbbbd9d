// Tests which received updates are saved.

#include "hil/bridge/parcel_worker.hpp"

#include <gtest/gtest.h>

#include <optional>

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

}  // namespace
}  // namespace convoy::hil
