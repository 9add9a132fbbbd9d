// Tests which node an agent becomes, and which nodes are missing.

#include "hil/bridge/roster.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

using hil::Roster;
using testbed::Inventory;
using Names = std::vector<std::string>;

// Four nodes: "orin" must be real; "nano-1" and "nano-2" have the same type, "nx" has another.
sim::Scenario four_nodes() {
  sim::Scenario s;
  s.world.nodes.resize(5);
  s.identities.resize(5);
  const char* names[] = {"server", "orin", "nano-1", "nano-2", "nx"};
  const char* devices[] = {"", "jetson-agx-orin", "jetson-nano", "jetson-nano", "jetson-xavier-nx"};
  for (std::size_t i = 0; i < 5; ++i) {
    s.world.nodes[i].name = names[i];
    s.identities[i].device = devices[i];
  }
  s.identities[1].backend = sim::Backend::hil;
  return s;
}

Inventory inventory_of(const std::vector<std::pair<std::string, std::string>>& nodes) {
  Inventory inventory;
  for (const auto& [name, device] : nodes) {
    testbed::InventoryNode n;
    n.name = name;
    n.device = device;
    inventory.nodes.push_back(n);
  }
  return inventory;
}

TEST(Roster, OnlyWhoIsMarkedMayBeRealUnlessWhoeverIsPresentIs) {
  const sim::Scenario s = four_nodes();
  const Inventory none;
  EXPECT_EQ(Roster(s, none, false, {}).candidates(), (std::vector<sim::NodeId>{1}));
  EXPECT_EQ(Roster(s, none, true, {}).candidates(), (std::vector<sim::NodeId>{1, 2, 3, 4}));
  const Roster before(s, none, false, {2, 4});
  EXPECT_EQ(before.candidates(), (std::vector<sim::NodeId>{2, 4}));
  EXPECT_TRUE(before.is_wanted(4)) << "who was real before has to come again";
}

TEST(Roster, AnAgentTakesThePlaceOfItsNameThenOneOfItsType) {
  const sim::Scenario s = four_nodes();
  const Inventory listed = inventory_of({{"board", "jetson-nano"}});
  Roster roster(s, listed, true, {});
  EXPECT_EQ(roster.place_for("nano-2", "jetson-xavier-nx"), 3) << "its name, whatever its type";
  EXPECT_EQ(roster.place_for("board", "jetson-xavier-nx"), 2) << "the inventory's word counts";
  roster.seat(2, "board");
  EXPECT_EQ(roster.place_for("board", ""), 2) << "its own place again";
  EXPECT_EQ(roster.place_for("other", "jetson-nano"), 3) << "the next free one";
  roster.seat(3, "other");
  EXPECT_EQ(roster.place_for("third", "jetson-nano"), std::nullopt);
  EXPECT_EQ(roster.place_for("nano-1", ""), std::nullopt) << "its place is taken";
  EXPECT_EQ(roster.place_for("unknown", ""), std::nullopt);
}

TEST(Roster, ANodeThatIsSimulatedIsNobodysPlace) {
  const sim::Scenario s = four_nodes();
  const Inventory none;
  Roster roster(s, none, true, {});
  roster.drop(2);
  EXPECT_EQ(roster.place_for("nano-1", "jetson-nano"), 3);
  EXPECT_EQ(roster.candidates(), (std::vector<sim::NodeId>{1, 3, 4}));
}

TEST(Roster, WhoIsMissingIsNamedOnce) {
  const sim::Scenario s = four_nodes();
  const Inventory listed = inventory_of({{"orin", ""}, {"board", "jetson-nano"}});
  Roster roster(s, listed, true, {});
  EXPECT_EQ(roster.missing({}), (Names{"orin", "board"}));
  roster.seat(1, "orin");
  EXPECT_EQ(roster.missing({}), (Names{"orin", "board"})) << "connected, but not ready";
  EXPECT_EQ(roster.missing({1}), Names{"board"});
  roster.seat(2, "board");
  EXPECT_EQ(roster.missing({1, 2}), Names{});
  for (const sim::NodeId node : {2, 3, 4}) roster.seat(node, "someone-" + std::to_string(node));
  EXPECT_EQ(roster.missing({1}), Names{}) << "there is no place left for it";
}

}  // namespace
}  // namespace convoy
