// Blocks of parameters: they are made of whole rows, and blocks that tile the model hold each row
// of each tensor once.

#include "engine/model/blocks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace convoy::engine {
namespace {

using testing::ElementsAre;

ParameterTensor tensor(std::vector<std::int64_t> shape, bool buffer = false) {
  ParameterTensor p;
  p.shape = std::move(shape);
  p.buffer = buffer;
  return p;
}

// 20 parameters: rows of 3 begin at 0, 3, 6, 9; rows of 1 at 12 to 15; rows of 4 at 16.
TEST(Blocks, ARowIsInTheBlockThatHoldsItsFirstElement) {
  const std::vector<ParameterTensor> all = {tensor({4, 3}), tensor({4}), tensor({4}, true),
                                            tensor({1, 2, 2})};
  EXPECT_THAT(rows_of(all, {0, 1}),
              ElementsAre(RowRange{0, 4}, RowRange{0, 4}, RowRange{0, 4}, RowRange{0, 1}));
  EXPECT_THAT(rows_of(all, {0, 0.35}),  // 7 parameters: the row of 6, 7, 8 begins in it
              ElementsAre(RowRange{0, 3}, RowRange{0, 0}, RowRange{0, 0}, RowRange{0, 0}));
  EXPECT_THAT(rows_of(all, {0.35, 0.7}),
              ElementsAre(RowRange{3, 4}, RowRange{0, 2}, RowRange{0, 0}, RowRange{0, 0}));
  // The running statistics go with the parameter 15, the last before them.
  EXPECT_THAT(rows_of(all, {0.75, 0.8}),
              ElementsAre(RowRange{4, 4}, RowRange{3, 4}, RowRange{0, 4}, RowRange{0, 0}));
  EXPECT_THAT(rows_of(all, {0.81, 1}),  // smaller than a row, and none begins in it
              ElementsAre(RowRange{4, 4}, RowRange{4, 4}, RowRange{0, 0}, RowRange{1, 1}));
}

TEST(Blocks, TheRowsOfAWholeTensorAreNoList) {
  const ParameterTensor p = tensor({4, 3});
  EXPECT_TRUE(kept_of(p, RowRange{0, 4}).rows.empty());
  EXPECT_THAT(kept_of(p, RowRange{1, 3}).rows, ElementsAre(1, 2));
  EXPECT_TRUE(kept_of(p, RowRange{1, 3}).columns.empty());
}

TEST(Blocks, ThatTileTheModelHoldEachRowOnce) {
  for (const char* name :
       {"mlp", "cnn-small", "resnet18", "mobilenet_v2", "vit-micro", "bert-small"}) {
    ModelOptions options;
    options.architecture = name;
    const auto all = parameter_tensors(make_architecture(options));
    std::int64_t parameters = 0;
    for (const ParameterTensor& p : all) parameters += p.buffer ? 0 : p.elements();
    EXPECT_TRUE(rc::check(name, [&] {
      auto ends = *rc::gen::container<std::vector<std::int64_t>>(
          rc::gen::inRange<std::int64_t>(1, parameters));
      ends.push_back(parameters);
      std::ranges::sort(ends);
      ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
      std::vector<std::int64_t> next(all.size(), 0);  // the row that no block has held yet
      double from = 0;
      for (const std::int64_t end : ends) {
        const double to = static_cast<double>(end) / static_cast<double>(parameters);
        const std::vector<RowRange> rows = rows_of(all, {from, to});
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (rows[i].is_empty()) continue;
          RC_ASSERT(rows[i].begin == next[i]);
          next[i] = rows[i].end;
        }
        from = to;
      }
      for (std::size_t i = 0; i < all.size(); ++i) RC_ASSERT(next[i] == all[i].rows());
    }));
  }
}

}  // namespace
}  // namespace convoy::engine
