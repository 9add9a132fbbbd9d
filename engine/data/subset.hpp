#pragma once

// Taking a part of a set, and the rows or records of a file that belong to it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "engine/data/dataset.hpp"

namespace convoy::engine {

enum class Part { train, test };
const char* part_name(Part part);

// `wanted` of `there` samples, rising; all of them where no number is given. Throws
// base::UserError naming the source where there are fewer. A smaller subset lies within a larger.
std::vector<std::int64_t> take(const std::string& source, Part part, std::int64_t there,
                               std::optional<std::int64_t> wanted, std::uint64_t seed);

// The labels of those samples.
std::vector<int> pick(const std::vector<int>& labels, const std::vector<std::int64_t>& indices);

// Throws base::UserError where so many samples would not fit `largest_data`.
void check_size(const std::string& source, std::int64_t samples, std::int64_t bytes_each);

// Of `indices` those drawn to be tested on, round(share x count) of each label, and the rest. At
// least `kept` of each label stay in training.
LocalSplit split_by_label(const std::vector<std::int64_t>& indices, const std::vector<int>& labels,
                          double test_share, std::int64_t kept, base::Random& random);

}  // namespace convoy::engine
