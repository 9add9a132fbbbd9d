// Tests the labels of a pipeline's activities.

#include "sim/task/pipeline_label.hpp"

#include <gtest/gtest.h>

namespace convoy::sim {
namespace {

TEST(PipelineLabel, IsReadAsItIsWritten) {
  using enum PipelineLabel::Kind;
  const std::vector<std::pair<PipelineLabel, std::string>> all = {
      {{forward, 1, 3}, "F3@1"},
      {{forward, 1, 3, 2}, "F3@1>2"},
      {{backward, 2, 12}, "B12@2"},
      {{backward, 2, 0, 1}, "B0@2>1"},
      {{take, 0}, "take@0"},
      {{all_reduce, 1}, "all-reduce@1"},
      {{all_reduce, 1, 7}, "all-reduce7@1"},
      {{add, 10}, "add@10"},
      {{step, 1}, "step@1"},
      {{step, 1, 4}, "step4@1"},
      {{give, 1}, "give@1"},
      {{collect, 1}, "collect@1"},
      {{join, 0}, "join@0"},
  };
  for (const auto& [label, text] : all) {
    EXPECT_EQ(to_text(label), text);
    EXPECT_EQ(read_pipeline_label(text), label) << text;
    PipelineLabel without = label;
    without.microbatch = -1;
    EXPECT_EQ(without_microbatch(text), to_text(without));
  }
}

TEST(PipelineLabel, OthersAreNone) {
  for (const char* text :
       {"", "F", "F3", "F3@", "F3@1>", "F3@1>x", "F3@1 ", "F03@1", "F-3@1", "G3@1", "forward",
        "download", "train", "Fx@1", "F3@-1", "@1", "F99999999999@1"}) {
    EXPECT_EQ(read_pipeline_label(text), std::nullopt) << text;
    EXPECT_EQ(without_microbatch(text), text);
  }
}

}  // namespace
}  // namespace convoy::sim
