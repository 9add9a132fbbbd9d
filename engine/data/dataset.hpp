#pragma once

// Labelled data in memory and its sources. No LibTorch here: engine/learning wraps this memory
// without copying it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/data/partition.hpp"

namespace convoy::engine {

// The shape of one sample.
struct DataShape {
  bool text = false;
  int channels = 0;  // images
  int height = 0;
  int width = 0;
  int sequence = 0;    // texts: tokens a sample
  int vocabulary = 0;  // texts: token numbers are below this
  int classes = 0;     // labels are in [0, classes)
};

struct Dataset {
  DataShape shape;
  std::vector<std::uint8_t>
      pixels;  // images: sample by sample, channels x height x width, 0 to 255
  std::vector<std::int32_t> tokens;  // texts: sample by sample, padded at the end
  std::vector<int> labels;

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

// Special tokens; the vocabulary's words follow.
constexpr std::int32_t token_padding = 0;
constexpr std::int32_t token_unknown = 1;
constexpr std::int32_t token_begin = 2;  // starts every text: the classifier reads its output
constexpr int special_tokens = 3;

constexpr int glyph_kinds = 36;  // 10 digits and 26 capital letters: the most classes of glyphs

enum class VocabularyKind { word, byte_pair };
inline constexpr base::Words<VocabularyKind> vocabulary_words = {
    {VocabularyKind::word, "word"}, {VocabularyKind::byte_pair, "byte-pair"}};

// The data options of a scenario ([data]).
struct DataOptions {
  std::string source = "glyphs";  // glyphs, idx:DIR, cifar10:DIR, cifar100:DIR, csv:FILE or csv:DIR
  bool source_given = false;      // the scenario names it
  std::optional<std::int64_t> samples;       // size of the training part, drawn from a larger set
  std::optional<std::int64_t> test_samples;  // size of the global test set
  double local_test_share = 0.2;             // of a node's samples: kept for its own tests
  double test_share = 0.1;                   // csv:FILE: share of the rows for the global test set
  std::uint64_t seed = 1;                    // for drawing images and subsets
  int classes = 10;                          // glyphs: 2 to 36
  int sequence = 64;                         // texts: tokens a sample
  VocabularyKind vocabulary = VocabularyKind::word;
  int vocabulary_size = 8000;  // upper limit, special tokens included
  PartitionOptions partition;
};

// Reads [data]. `folder`: base of relative paths.
DataOptions read_data(base::TableReader reader, const std::filesystem::path& folder);

// An opened data source: shape and labels are known, samples are read on demand.
class DataSource {
 public:
  virtual ~DataSource() = default;
  [[nodiscard]] virtual const DataShape& shape() const = 0;
  [[nodiscard]] virtual const std::vector<int>& labels() const = 0;  // of the training part
  [[nodiscard]] virtual std::int64_t test_size() const = 0;
  // Notes for the user: which row was taken as a heading, classes with a single row, ...
  [[nodiscard]] virtual std::vector<std::string> remarks() const { return {}; }
  // Both throw base::UserError naming the file and the problem.
  [[nodiscard]] virtual Dataset train() const = 0;
  [[nodiscard]] virtual Dataset test() const = 0;
};

// Throws base::UserError naming the file: missing, truncated, of another kind, labels and images
// that do not match, fewer samples than requested.
std::unique_ptr<DataSource> open_source(const DataOptions& options,
                                        const std::filesystem::path& folder);

// A node's own split into training and test samples (round(share x count) of each label), drawn by
// (seed, node). Both lists rise. A node with samples always trains on at least one.
struct LocalSplit {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> test;
  // A real node with data of its own has so many samples to train on; which they are is not known
  // here, and `train` is empty. Else 0.
  std::int64_t unlisted = 0;

  [[nodiscard]] std::int64_t count() const {  // to train on
    return static_cast<std::int64_t>(train.size()) + unlisted;
  }
};
LocalSplit split_local(const std::vector<std::int64_t>& indices, const std::vector<int>& labels,
                       double test_share, std::uint64_t seed, std::int64_t node);

// For each part of a data set its number of samples of each class. `labels` are in [0, classes).
std::vector<std::vector<std::int64_t>> class_counts(
    const std::vector<std::vector<std::int64_t>>& parts, const std::vector<int>& labels,
    int classes);

}  // namespace convoy::engine
