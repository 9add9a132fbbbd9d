// IDX files with the names of MNIST (yann.lecun.com/exdb/mnist): four bytes (the third is the type,
// the fourth the number of dimensions), the dimensions as big-endian 32-bit numbers, then the
// values.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/diagnostics.hpp"
#include "engine/data/input_file.hpp"
#include "engine/data/sources.hpp"
#include "engine/data/subset.hpp"

namespace convoy::engine {
namespace {

namespace fs = std::filesystem;

// Finds a file by one of these names, plain or gzipped, with '-' or '.' before "idx".
fs::path find(const fs::path& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::string dotted = name;
    dotted[dotted.rfind("-idx")] = '.';
    for (const std::string& stem : {name, dotted}) {
      for (const char* ending : {"", ".gz"}) {
        std::error_code ignored;
        fs::path path = folder / (stem + ending);
        if (fs::is_regular_file(path, ignored)) return path;
      }
    }
  }
  return folder / names.front();  // opening it reports that it is missing
}

// Reads the header; gives the dimensions after checking them against the file's size.
std::vector<std::int64_t> read_header(InputFile& file, std::size_t least, std::size_t most) {
  std::array<std::uint8_t, 4> magic{};
  file.read(magic);
  const std::size_t rank = magic[3];
  if (magic[0] != 0 || magic[1] != 0) {
    file.fail(fmt::format("is no IDX file: begins with {:02x} {:02x} instead of 00 00", magic[0],
                          magic[1]));
  }
  if (magic[2] != 0x08) {
    file.fail(fmt::format("has values of type 0x{:02x}; only bytes (0x08) are read", magic[2]));
  }
  if (rank < least || rank > most) {
    file.fail(fmt::format(
        "has {} dimensions, expected {}", rank,
        least == most ? fmt::format("{}", least) : fmt::format("{} or {}", least, most)));
  }
  std::vector<std::int64_t> dimensions;
  std::int64_t bytes = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    std::array<std::uint8_t, 4> number{};
    file.read(number);
    std::int64_t dimension = 0;
    for (const std::uint8_t byte : number) dimension = dimension * 256 + byte;
    if (dimension == 0) file.fail("is empty: one of its dimensions is 0");
    const std::int64_t room = file.most() - file.position();
    if (dimension > room / bytes) {
      file.fail(
          fmt::format("truncated or no IDX file: its header asks for at least {} bytes, and "
                      "it holds no more than {}",
                      static_cast<double>(bytes) * static_cast<double>(dimension),
                      std::max<std::int64_t>(room, 0)));
    }
    bytes *= dimension;
    dimensions.push_back(dimension);
  }
  return dimensions;
}

struct Images {
  fs::path path;
  std::int64_t count = 0;
  DataShape shape;
};

// Reads the header; `file` is then at the first image.
Images open_images(InputFile& file, const fs::path& path) {
  constexpr std::int64_t longest_side = 4096;
  const std::vector<std::int64_t> d = read_header(file, 3, 4);
  Images images;
  images.path = path;
  images.count = d[0];
  const std::int64_t channels = d.size() == 4 ? d[1] : 1;
  if (channels != 1 && channels != 3) {
    file.fail(
        fmt::format("has images of {} channels, expected 1 or 3 (count x channels x height "
                    "x width)",
                    channels));
  }
  if (d[d.size() - 2] > longest_side || d.back() > longest_side) {
    file.fail(fmt::format("has images of {} x {}, no side may be above {}", d[d.size() - 2],
                          d.back(), longest_side));
  }
  images.shape.channels = static_cast<int>(channels);
  images.shape.height = static_cast<int>(d[d.size() - 2]);
  images.shape.width = static_cast<int>(d.back());
  return images;
}

std::vector<int> read_labels(const fs::path& path, const Images& images) {
  InputFile file(path);
  const std::int64_t count = read_header(file, 1, 1)[0];
  if (count != images.count) {
    file.fail(fmt::format("has {} labels for the {} images of {}", count, images.count,
                          images.path.string()));
  }
  check_size(path.string(), count, sizeof(int));
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  file.read(bytes);
  file.expect_end();
  return {bytes.begin(), bytes.end()};
}

class IdxSource : public DataSource {
 public:
  IdxSource(const DataOptions& options, const fs::path& folder) {
    std::vector<int> labels;
    std::vector<int> test_labels;
    images_ = open_part(folder, "train", labels);
    test_images_ = open_part(folder, "t10k", test_labels);
    check(folder, labels, test_labels);
    train_ = take(options, Part::train, labels);
    test_ = take(options, Part::test, test_labels);
  }

  [[nodiscard]] const DataShape& shape() const override { return images_.shape; }
  [[nodiscard]] const std::vector<int>& labels() const override { return train_.labels; }
  [[nodiscard]] std::int64_t test_size() const override { return std::ssize(test_.labels); }
  [[nodiscard]] Dataset train() const override { return read(images_, train_); }
  [[nodiscard]] Dataset test() const override { return read(test_images_, test_); }

 private:
  static Images open_part(const fs::path& folder, const std::string& name,
                          std::vector<int>& labels) {
    const fs::path path = find(folder, {name + "-images-idx3-ubyte", name + "-images-idx4-ubyte"});
    InputFile file(path);
    Images images = open_images(file, path);
    labels = read_labels(find(folder, {name + "-labels-idx1-ubyte"}), images);
    return images;
  }

  void check(const fs::path& folder, const std::vector<int>& labels,
             const std::vector<int>& test_labels) {
    DataShape& shape = images_.shape;
    DataShape& tests = test_images_.shape;
    const int classes = *std::max_element(labels.begin(), labels.end()) + 1;
    if (classes < 2) {
      throw base::UserError(fmt::format("{}: has one class only; there is nothing to tell apart",
                                        find(folder, {"train-labels-idx1-ubyte"}).string()));
    }
    if (tests.channels != shape.channels || tests.height != shape.height ||
        tests.width != shape.width) {
      throw base::UserError(
          fmt::format("{}: has images of {} x {} x {}, those of {} are {} x {} x {}",
                      test_images_.path.string(), tests.channels, tests.height, tests.width,
                      images_.path.string(), shape.channels, shape.height, shape.width));
    }
    const auto bad = std::ranges::find_if(test_labels, [&](int label) { return label >= classes; });
    if (bad != test_labels.end()) {
      throw base::UserError(fmt::format("{}: label {} of image {} does not occur in training",
                                        find(folder, {"t10k-labels-idx1-ubyte"}).string(), *bad,
                                        bad - test_labels.begin()));
    }
    shape.classes = classes;
    tests = shape;
  }

  static Dataset read(const Images& images, const Taken& taken) {
    const DataShape& shape = images.shape;
    const std::int64_t size = std::int64_t{shape.channels} * shape.height * shape.width;
    check_size(images.path.string(), std::ssize(taken.indices), size);
    InputFile file(images.path);
    if (const Images now = open_images(file, images.path); now.count != images.count) {
      file.fail("has changed since it was opened; start again");
    }
    Dataset data;
    data.shape = shape;
    data.labels = taken.labels;
    data.pixels.resize(taken.indices.size() * static_cast<std::size_t>(size));
    std::int64_t at = 0;
    std::span<std::uint8_t> rest = data.pixels;
    for (const std::int64_t index : taken.indices) {
      file.skip((index - at) * size);
      file.read(rest.first(static_cast<std::size_t>(size)));
      rest = rest.subspan(static_cast<std::size_t>(size));
      at = index + 1;
    }
    file.skip((images.count - at) * size);  // checks that the file has all images and nothing more
    file.expect_end();
    return data;
  }

  Images images_;
  Images test_images_;
  Taken train_;
  Taken test_;
};

}  // namespace

std::unique_ptr<DataSource> open_idx(const DataOptions& options, const fs::path& folder) {
  return std::make_unique<IdxSource>(options, folder);
}

}  // namespace convoy::engine
