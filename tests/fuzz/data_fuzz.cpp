// libFuzzer target for the readers of data sets: any files are read or refused with a message. The
// first byte chooses the format, and how the rest is cut into files.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "engine/data/dataset.hpp"

namespace {

using convoy::engine::DataOptions;
using convoy::engine::Dataset;
namespace fs = std::filesystem;

const fs::path& folder() {
  static const fs::path made = [] {
    std::string pattern = (fs::temp_directory_path() / "convoy-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    static const std::string kept = pattern;
    std::atexit([] { fs::remove_all(kept); });
    return fs::path(pattern);
  }();
  return made;
}

void write(const char* name, std::string_view bytes) {
  std::ofstream(folder() / name, std::ios::binary) << bytes;
}

void check(const Dataset& data) {
  const auto& shape = data.shape;
  const std::size_t each =
      shape.text ? shape.sequence : std::size_t{1} * shape.channels * shape.height * shape.width;
  const std::size_t held = shape.text ? data.tokens.size() : data.pixels.size();
  if (each == 0 || held != each * data.labels.size()) std::abort();
  for (const int label : data.labels) {
    if (label < 0 || label >= shape.classes) std::abort();
  }
  for (const auto token : data.tokens) {
    if (token < 0 || token >= shape.vocabulary) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const int format = data[0] % 4;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = bytes.size() * data[1] / 255;
  DataOptions options;
  options.sequence = 8;
  if (format == 0) {
    options.source = "idx:.";
    for (const char* name : {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"}) {
      write(name, bytes.substr(0, cut));
    }
    for (const char* name : {"train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"}) {
      write(name, bytes.substr(cut));
    }
  } else if (format == 1) {
    options.source = data[1] % 2 == 0 ? "cifar10:." : "cifar100:.";
    for (const char* name : {"data_batch_1.bin", "test_batch.bin", "train.bin", "test.bin"}) {
      write(name, bytes);
    }
  } else {
    options.source = "csv:a.csv";
    options.test_share = 0.3;
    if (format == 3) {
      options.vocabulary = convoy::engine::VocabularyKind::byte_pair;
      options.vocabulary_size = 100;
    }
    write("a.csv", bytes);
  }
  try {
    const auto source = convoy::engine::open_source(options, folder());
    if (source->labels().empty() || source->test_size() < 1) std::abort();
    for (const std::string& remark : source->remarks()) {
      if (!convoy::base::is_printable(remark)) std::abort();
    }
    check(source->train());
    check(source->test());
  } catch (const convoy::base::UserError&) {
    return 0;  // refused with a message
  }
  return 0;
}
