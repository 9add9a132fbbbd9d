// The binary files of CIFAR-10 and CIFAR-100 (cs.toronto.edu/~kriz/cifar.html): records of one
// label (CIFAR-100: two, coarse and fine) and 3 x 32 x 32 bytes.

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
using Files = std::vector<fs::path>;

constexpr std::int64_t picture = 3072;

// The training files, in the order of their names.
Files batches(const fs::path& folder) {
  Files files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("data_batch_") && name.ends_with(".bin")) files.push_back(entry.path());
  }
  if (error) throw base::UserError(folder.string() + ": cannot be read: " + error.message());
  if (files.empty()) {
    throw base::UserError(
        fmt::format("{}: there is no data_batch_1.bin; unpack the binary version of CIFAR-10 there",
                    folder.string()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

class CifarSource : public DataSource {
 public:
  CifarSource(const DataOptions& options, const fs::path& folder, int classes)
      : train_files_(classes == 10 ? batches(folder) : Files{folder / "train.bin"}),
        test_files_({folder / (classes == 10 ? "test_batch.bin" : "test.bin")}) {
    shape_.channels = 3;
    shape_.height = 32;
    shape_.width = 32;
    shape_.classes = classes;
    const std::vector<int> all = read_labels(train_files_);
    const std::vector<int> all_tests = read_labels(test_files_);
    train_ = take(options, Part::train, all);
    test_ = take(options, Part::test, all_tests);
  }

  [[nodiscard]] const DataShape& shape() const override { return shape_; }
  [[nodiscard]] const std::vector<int>& labels() const override { return train_.labels; }
  [[nodiscard]] std::int64_t test_size() const override { return std::ssize(test_.labels); }
  [[nodiscard]] Dataset train() const override { return read(train_files_, train_); }
  [[nodiscard]] Dataset test() const override { return read(test_files_, test_); }

 private:
  [[nodiscard]] std::int64_t label_bytes() const { return shape_.classes == 10 ? 1 : 2; }

  // Checks the labels before an image; gives its class.
  int read_label(InputFile& file, std::int64_t record) const {
    std::array<std::uint8_t, 2> bytes{};
    const auto label = std::span(bytes).first(static_cast<std::size_t>(label_bytes()));
    file.read(label);
    const auto refuse = [&](const char* what, int value, int count) {
      file.fail(fmt::format("record {} has {} {}, expected 0 to {}; is this CIFAR-{}?", record,
                            what, value, count - 1, shape_.classes));
    };
    constexpr int coarse_classes = 20;
    if (label.size() == 2 && label[0] >= coarse_classes) {
      refuse("coarse label", label[0], coarse_classes);
    }
    if (label.back() >= shape_.classes) refuse("label", label.back(), shape_.classes);
    return label.back();
  }

  // Number of records, from the file's size.
  [[nodiscard]] std::int64_t records(const InputFile& file) const {
    const std::int64_t size = label_bytes() + picture;
    if (file.compressed()) file.fail("is packed; unpack it");
    if (file.most() == 0) file.fail("is empty; fetch it again");
    if (file.most() % size != 0) {
      file.fail(fmt::format("has {} bytes, {} records of {} bytes and {} more; fetch it again",
                            file.most(), file.most() / size, size, file.most() % size));
    }
    return file.most() / size;
  }

  [[nodiscard]] std::vector<int> read_labels(const Files& files) const {
    std::vector<int> labels;
    for (const fs::path& path : files) {
      InputFile file(path);
      const std::int64_t count = records(file);
      for (std::int64_t i = 0; i < count; ++i) {
        labels.push_back(read_label(file, i));
        file.skip(picture);
      }
    }
    return labels;
  }

  [[nodiscard]] Dataset read(const Files& files, const Taken& taken) const {
    const std::vector<std::int64_t>& indices = taken.indices;
    check_size(files.front().string(), std::ssize(indices), picture);
    Dataset data;
    data.shape = shape_;
    data.labels = taken.labels;
    data.pixels.resize(indices.size() * picture);
    std::span<std::uint8_t> rest = data.pixels;
    auto next = indices.begin();
    std::int64_t before = 0;  // records in the files before
    for (const fs::path& path : files) {
      InputFile file(path);
      const std::int64_t count = records(file);
      std::int64_t at = 0;
      for (; next != indices.end() && *next < before + count; ++next) {
        file.skip((*next - before - at) * (label_bytes() + picture));
        read_label(file, *next - before);
        file.read(rest.first(picture));
        rest = rest.subspan(picture);
        at = *next - before + 1;
      }
      before += count;
    }
    if (!rest.empty()) {
      throw base::UserError(files.front().string() + ": has changed since it was opened");
    }
    return data;
  }

  DataShape shape_;
  Files train_files_;
  Files test_files_;
  Taken train_;
  Taken test_;
};

}  // namespace

std::unique_ptr<DataSource> open_cifar(const DataOptions& options, const fs::path& folder,
                                       int classes) {
  return std::make_unique<CifarSource>(options, folder, classes);
}

}  // namespace convoy::engine
