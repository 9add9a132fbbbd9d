#include <fmt/format.h>

#include "engine/data/dataset.hpp"
#include "engine/data/sources.hpp"

namespace convoy::engine {
namespace {

using base::above;
using base::at_least;
using base::TableReader;

// Reports keys that the source does not use: they show a wrong idea of the data.
void refuse(TableReader& reader, const char* key, const std::string& message) {
  if (reader.has(key)) reader.error(key, message);
}

void read_vocabulary(TableReader reader, DataOptions& data) {
  data.vocabulary = reader.choice({"kind", "a token is a word, or a part of one"}, vocabulary_words,
                                  data.vocabulary);
  data.vocabulary_size = static_cast<int>(
      reader.integer({"size", "largest number of entries, including special tokens"},
                     at_least(special_tokens + 1).up_to(1e6), data.vocabulary_size));
  reader.finish();
}

}  // namespace

DataOptions read_data(TableReader reader, const std::filesystem::path& folder) {
  DataOptions data;
  data.source_given = reader.has("source");
  data.source = reader.text(
      {"source", "glyphs, idx:DIR, cifar10:DIR, cifar100:DIR, csv:FILE or csv:DIR"}, data.source);
  data.samples = reader.maybe_integer({"samples", "training samples of all nodes together",
                                       "all; glyphs: 6000; without a source: 60000"},
                                      at_least(1).up_to(1e8));
  data.test_samples =
      reader.maybe_integer({"test_samples", "samples of the global test set", "all; glyphs: 2000"},
                           at_least(1).up_to(1e8));
  data.local_test_share = reader.number(
      {"local_test_share", "share of a node's samples that it keeps for its own tests"},
      at_least(0).below(1), data.local_test_share);
  data.test_share =
      reader.number({"test_share", "share of the rows that become the global test set (csv:FILE)"},
                    above(0).below(1), data.test_share);
  data.seed = static_cast<std::uint64_t>(
      reader.integer({"seed", "seed of the drawn glyphs and of the subset taken from a set"},
                     at_least(0), static_cast<std::int64_t>(data.seed)));
  data.classes = static_cast<int>(reader.integer({"classes", "number of classes (glyphs)"},
                                                 at_least(2).up_to(glyph_kinds), data.classes));
  data.sequence = static_cast<int>(
      reader.integer({"sequence", "tokens per text (csv)"}, at_least(2).up_to(1e5), data.sequence));
  read_vocabulary(reader.table({"vocabulary", "how texts become tokens (csv)"}), data);
  data.partition =
      read_partition(reader.table({"partition", "how the data are divided among the nodes"}));
  reader.finish();

  const SourceName name = parse_source(data.source, folder);
  if (!name.problem.empty()) {
    reader.error("source", name.problem);
    return data;
  }
  if (name.kind != "glyphs") {
    refuse(reader, "classes", fmt::format("is for glyphs; {} has its own classes", data.source));
  }
  if (name.kind != "csv") {
    for (const char* key : {"sequence", "vocabulary", "test_share"}) {
      refuse(reader, key,
             fmt::format("is for texts (csv:FILE), and the source is {}", data.source));
    }
  } else if (std::filesystem::is_directory(name.path)) {
    refuse(reader, "test_share", "is for csv:FILE; a folder has its test.csv");
  }
  return data;
}

}  // namespace convoy::engine
