// Tests what an agent keeps in its state folder, and how it handles a folder that was changed by
// somebody else or by a power cut.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <random>

#include "base/files.hpp"
#include "hil/agent/trainer.hpp"
#include "tests/support/files.hpp"

namespace convoy::hil {
namespace {

std::string index_of(const std::string& loss) {
  return fmt::format(
      R"({{"run":"r","node":2,"task":7,"attempt":1,"version":3,"loss":{},"finite":true,)"
      R"("took_ns":[[1,0,5000]]}})",
      loss);
}

std::vector<wire::KnownTaskT> known_in(const std::filesystem::path& folder,
                                       std::string* run = nullptr) {
  const Trainer trainer({.state = folder}, {});
  if (run != nullptr) *run = trainer.run();
  return trainer.known();
}

TEST(AgentState, KnowsItsTaskWhateverItsLossWas) {
  const test::TemporaryFolder folder;
  for (const char* loss : {"0.25", "\"nan\"", "\"inf\"", "\"-inf\"", "null", "3"}) {
    folder.write("agent.json", index_of(loss));
    std::string run;
    const auto known = known_in(folder.path(), &run);
    ASSERT_EQ(known.size(), 1U) << loss;
    EXPECT_EQ(known[0].task, 7);
    EXPECT_TRUE(known[0].done);
    EXPECT_EQ(run, "r");
  }
}

TEST(AgentState, WhatIsTornOrNotItsOwnIsNotBelieved) {
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);  // hides the warnings
  const test::TemporaryFolder folder;
  const std::string whole = index_of("0.25");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder.write("agent.json", whole.substr(0, size));
    std::string run = "?";
    EXPECT_TRUE(known_in(folder.path(), &run).empty()) << size << " bytes";
    EXPECT_EQ(run, "") << size << " bytes";
  }
  folder.write("agent.json", index_of("\"seven\""));
  EXPECT_TRUE(known_in(folder.path()).empty());
  std::filesystem::remove(folder.path() / "agent.json");
  std::filesystem::create_directory(folder.path() / "agent.json");
  EXPECT_TRUE(known_in(folder.path()).empty());
  spdlog::set_level(level);
}

TEST(AgentState, DraftsOfAKilledAgentAreClearedAway) {
  const test::TemporaryFolder folder;
  folder.write("agent.json", index_of("1"));
  folder.write(".agent.json.0123456789abcdef.new", "torn");
  folder.write("mine.txt", "not its own");
  EXPECT_EQ(known_in(folder.path()).size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / ".agent.json.0123456789abcdef.new"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "mine.txt"));
}

}  // namespace
}  // namespace convoy::hil
