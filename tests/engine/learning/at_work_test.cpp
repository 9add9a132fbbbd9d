// What the nodes at work hold, as an aggregation assumes it, against what their tasks really begin
// with.

#include "engine/learning/at_work.hpp"

#include <gtest/gtest.h>

#include "engine/rules/registry.hpp"
#include "tests/engine/learning/support.hpp"
#include "tests/support/seed.hpp"

extern "C" convoy::engine::Engine* convoy_make_engine(const convoy::engine::EngineOptions&);

namespace convoy::engine {
namespace {

class AtWork : public testing::Test {
 protected:
  AtWork() {
    ModelOptions model;
    model.architecture = "cnn-small";
    model.classes = 4;
    model.image_size = 16;
    options.architecture = std::make_shared<const Architecture>(make_architecture(model));
    options.train = test::striped_images(40, 4, 16);
    options.test = test::striped_images(8, 4, 16, 2);
    options.parts = test::dealt(40, 2);
    options.rules.aggregation.rule = default_rule();
  }

  [[nodiscard]] std::vector<Holder> holders(const std::vector<TaskAtWork>& tasks) const {
    EngineContext context{.layout = Layout(options.architecture)};
    context.rules = options.rules;
    context.parts = options.parts;
    context.seed = options.seed;
    return holders_of(context, tasks);
  }

  EngineOptions options;
};

// Whatever a task's submodel follows from, but for masks that the server cannot know.
TEST_F(AtWork, HoldWhatTheirTasksBeginWith) {
  base::Random random({convoy::test::drawn_seed()});
  for (const Selection selection : {Selection::nested, Selection::depth, Selection::rolling,
                                    Selection::staggered, Selection::learned, Selection::random}) {
    options.rules.mask.selection = selection;
    const std::unique_ptr<Engine> engine(convoy_make_engine(options));
    const bool is_window = selection == Selection::rolling || selection == Selection::staggered;
    for (int i = 0; i < 6; ++i) {
      TaskAtWork task{.node = 1 + static_cast<int>(random.below(2)),
                      .version = static_cast<std::int64_t>(random.below(50)),
                      .state = nullptr};
      task.brief.rate = std::array{0.25, 0.5, 0.75, 1.0}[random.below(4)];
      task.brief.choose_masks = is_window;
      if (selection == Selection::staggered) task.brief.place = random.uniform();
      const auto session = engine->open({.node = task.node,
                                         .version = task.version,
                                         .brief = task.brief,
                                         .received = engine->initial()},
                                        {});
      const Holder holder = holders({task}).at(0);
      EXPECT_EQ(holder.submodel.depth, session->submodel().depth);
      EXPECT_EQ(holder.submodel.kept, session->submodel().kept);
      EXPECT_FALSE(holder.is_expected);
      EXPECT_EQ(holder.samples, 20);
    }
  }
}

// A node that has chosen masks keeps them until its next update comes; before the first the sizes
// alone are known.
TEST_F(AtWork, HoldTheirLatestMasksAndBeforeTheFirstTheirExpectedShare) {
  options.rules.mask.selection = Selection::random;
  TaskAtWork task{.node = 1, .state = nullptr};
  task.brief.rate = 0.5;
  task.brief.choose_masks = true;
  const Holder before = holders({task}).at(0);
  EXPECT_TRUE(before.is_expected);
  EXPECT_EQ(before.submodel.kept, nested_submodel(*options.architecture, 0.5).kept);
  auto state = std::make_shared<TensorState>();
  base::Random random({4});
  state->submodel = test::random_submodel(*options.architecture, random);
  task.state = state;
  const Holder after = holders({task}).at(0);
  EXPECT_FALSE(after.is_expected);
  EXPECT_EQ(after.submodel.kept, state->submodel.kept);
}

// A node with data of its own counts by their number.
TEST_F(AtWork, CountBySamplesThatNobodyElseKnows) {
  test::let_be_unlisted(options.parts[1]);
  TaskAtWork task{.node = 1, .state = nullptr};
  EXPECT_EQ(holders({task}).at(0).samples, 20);
}

}  // namespace
}  // namespace convoy::engine
