// Tests the text of a plan in the journal: what is written is read, and nothing else is.

#include "sim/task/plan_record.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/diagnostics.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

PlanRecord random_plan(base::Random& random) {
  const auto amount = [&] { return random.below(4) == 0 ? 0 : std::exp(40 * random.normal()); };
  PlanRecord plan{.cause = "change",
                  .adopted = random.below(2) == 0,
                  .round_s = amount(),
                  .best_round_s = amount(),
                  .cost_s = amount()};
  if (random.below(2) == 0) plan.old_round_s = amount();
  const std::uint64_t nodes = random.below(5);
  for (std::uint64_t i = 0; i < nodes; ++i) {
    plan.nodes.push_back({.node = static_cast<NodeId>(random.below(1000)),
                          .cut = static_cast<int>(random.below(200)),
                          .cut_name = i == 0 ? "a \"b\" {c}\n\\ d" : "layer1.0.conv",
                          .up_bytes_per_s = amount(),
                          .down_bytes_per_s = amount(),
                          .server_share = random.uniform(),
                          .predicted_s = amount()});
  }
  return plan;
}

TEST(PlanRecord, IsReadAsItWasWritten) {
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < 500; ++i) {
    const PlanRecord plan = random_plan(random);
    const std::string text = plan_text(plan);
    EXPECT_TRUE(is_plan_record(text));
    EXPECT_EQ(read_plan(text), plan) << text;
    EXPECT_EQ(plan_text(read_plan(text)), text);
  }
}

// Each value in the text replaced by others, each key left out, each end cut off.
TEST(PlanRecord, NothingElseIsRead) {
  base::Random random({test::drawn_seed()});
  PlanRecord plan = random_plan(random);
  while (plan.nodes.size() < 2) plan = random_plan(random);
  const std::string text = plan_text(plan);
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THROW(read_plan(text.substr(0, length)), base::UserError) << length;
  }
  const nlohmann::json whole = nlohmann::json::parse(text);
  const auto refuses = [](const nlohmann::json& changed) {
    EXPECT_THROW(read_plan(changed.dump()), base::UserError) << changed.dump();
  };
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json less = whole;
    less.erase(key);
    refuses(less);
    nlohmann::json other = whole;
    other[key] = nlohmann::json::array({"x"});
    refuses(other);
    if (!value.is_number()) continue;
    other[key] = -1.5;
    refuses(other);
  }
  for (const auto& [key, value] : whole.at("nodes").items()) {
    nlohmann::json less = whole;
    less["nodes"].erase(key);
    refuses(less);
    nlohmann::json shorter = whole;
    shorter["nodes"][key].erase(0);
    refuses(shorter);
    nlohmann::json other = whole;
    other["nodes"][key][0] = nlohmann::json::object();
    refuses(other);
  }
  EXPECT_FALSE(is_plan_record("cause=first round_s=3.1 1:4/1e+06/0.2")) << "of before";
}

}  // namespace
}  // namespace convoy::sim
