// What a real node is told of weights that are learned element by element.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/api/setup.hpp"

namespace convoy::engine {
namespace {

TEST(ElementsSetup, IsToldWhereItMatters) {
  EngineSetup setup;
  setup.data.source = "glyphs";
  // Agents that know nothing of it can do all other kinds.
  EXPECT_THAT(to_toml(setup), testing::Not(testing::HasSubstr("elements")));
  EXPECT_EQ(read_setup(to_toml(setup), "", false, "test").rules.elements.kind, ElementKind::all);
  for (const ElementKind kind : {ElementKind::pruned, ElementKind::sampled}) {
    setup.rules.elements = {.kind = kind, .learning_rate = 0.1 / 3, .threshold = true};
    const ElementOptions back = read_setup(to_toml(setup), "", false, "test").rules.elements;
    EXPECT_EQ(back.kind, kind);
    EXPECT_EQ(back.learning_rate, setup.rules.elements.learning_rate);
    EXPECT_TRUE(back.threshold);
  }
}

}  // namespace
}  // namespace convoy::engine
