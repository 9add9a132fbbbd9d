#pragma once

// Draws subsets of a data set, and reads the rows or records that belong to them.

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "engine/data/dataset.hpp"

namespace convoy::engine {

enum class Part { train, test };

struct Taken {
  std::vector<std::int64_t> indices;  // rising
  std::vector<int> labels;
};

// Of a part with these labels as many samples as the options say; all of them where they give no
// number. Throws base::UserError naming the source where there are fewer. A smaller subset lies
// within a larger.
Taken take(const DataOptions& options, Part part, const std::vector<int>& labels);

// The labels of these samples.
std::vector<int> pick(const std::vector<int>& labels, const std::vector<std::int64_t>& indices);

// Throws base::UserError if the samples need more than `largest_data` bytes.
void check_size(const std::string& source, std::int64_t samples, std::int64_t bytes_each);

// Splits `indices` into a test part, round(share x count) of each label, and the rest. At least
// `kept` of each label stay in training.
LocalSplit split_by_label(const std::vector<std::int64_t>& indices, const std::vector<int>& labels,
                          double test_share, std::int64_t kept, base::Random& random);

}  // namespace convoy::engine
