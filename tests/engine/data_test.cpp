// Tests sources of images, subsets of them, and splits.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/diagnostics.hpp"
#include "engine/data/dataset.hpp"
#include "tests/support/files.hpp"

namespace convoy::engine {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int v : values) text += static_cast<char>(v);
  return text;
}

std::string big_endian(std::uint32_t n) {
  return bytes({static_cast<int>(n >> 24U), static_cast<int>(n >> 16U & 255U),
                static_cast<int>(n >> 8U & 255U), static_cast<int>(n & 255U)});
}

std::string idx(const std::vector<std::uint32_t>& dimensions, const std::string& values) {
  std::string text = bytes({0, 0, 8, static_cast<int>(dimensions.size())});
  for (const std::uint32_t d : dimensions) text += big_endian(d);
  return text + values;
}

// Images of 2 x 3 pixels; each pixel is ten times the image's number plus the pixel's place.
std::string images(std::uint32_t count) {
  std::string values;
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint32_t p = 0; p < 6; ++p) values += static_cast<char>(10 * i + p);
  }
  return idx({count, 2, 3}, values);
}

std::string labels(const std::string& values) {
  return idx({static_cast<std::uint32_t>(values.size())}, values);
}

void write_gzip(const std::filesystem::path& path, const std::string& text) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())), text.size());
  ASSERT_EQ(gzclose(file), Z_OK);
}

class Idx : public testing::Test {
 protected:
  void SetUp() override {
    write("train-images-idx3-ubyte", images(6));
    write("train-labels-idx1-ubyte", labels(bytes({0, 1, 2, 0, 1, 2})));
    write("t10k-images-idx3-ubyte", images(2));
    write("t10k-labels-idx1-ubyte", labels(bytes({2, 1})));
    options_.source = "idx:.";
  }
  void write(const std::string& name, const std::string& text) { folder_.write(name, text); }
  [[nodiscard]] std::unique_ptr<DataSource> open() const {
    return open_source(options_, folder_.path());
  }
  void expect_error(const testing::Matcher<std::string>& message) const {
    const auto read = [&] {
      const auto source = open();
      static_cast<void>(source->train());
      static_cast<void>(source->test());
    };
    EXPECT_THAT(read, ThrowsMessage<base::UserError>(message));
  }

  TemporaryFolder folder_;
  DataOptions options_;
};

TEST_F(Idx, GivesImagesAndLabelsInTheOrderOfTheFiles) {
  const auto source = open();
  EXPECT_EQ(source->labels(), (std::vector<int>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(source->test_size(), 2);
  const Dataset train = source->train();
  EXPECT_EQ(train.size(), 6);
  EXPECT_FALSE(train.shape.text);
  EXPECT_EQ(train.shape.channels, 1);
  EXPECT_EQ(train.shape.height, 2);
  EXPECT_EQ(train.shape.width, 3);
  EXPECT_EQ(train.shape.classes, 3);
  ASSERT_EQ(train.pixels.size(), 36);
  EXPECT_EQ(train.pixels[0], 0);
  EXPECT_EQ(train.pixels[6 + 5], 15);
  EXPECT_EQ(source->test().labels, (std::vector<int>{2, 1}));
}

TEST_F(Idx, ReadsPackedAndDottedFilesAlike) {
  const Dataset plain = open()->train();
  std::filesystem::remove(folder_.path() / "train-images-idx3-ubyte");
  std::filesystem::remove(folder_.path() / "train-labels-idx1-ubyte");
  write_gzip(folder_.path() / "train-images-idx3-ubyte.gz", images(6));
  write("train-labels.idx1-ubyte", labels(bytes({0, 1, 2, 0, 1, 2})));
  const Dataset packed = open()->train();
  EXPECT_EQ(packed.pixels, plain.pixels);
  EXPECT_EQ(packed.labels, plain.labels);
}

TEST_F(Idx, ReadsColours) {
  for (const auto* name : {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"}) {
    std::filesystem::remove(folder_.path() / name);
  }
  write("train-images-idx4-ubyte", idx({6, 3, 1, 2}, std::string(36, 'x')));
  write("t10k-images-idx4-ubyte", idx({2, 3, 1, 2}, std::string(12, 'y')));
  const auto source = open();
  EXPECT_EQ(source->shape().channels, 3);
  EXPECT_EQ(source->shape().width, 2);
  EXPECT_EQ(source->train().pixels.size(), 36);
}

TEST_F(Idx, ASubsetIsDrawnBySeedAndLiesWithinALargerOne) {
  const auto chosen = [&](std::int64_t samples, std::uint64_t seed) {
    options_.samples = samples;
    options_.seed = seed;
    const auto source = open();
    const Dataset data = source->train();
    EXPECT_EQ(data.labels, source->labels());
    std::vector<int> all;
    for (std::int64_t i = 0; i < data.size(); ++i) {
      const int image = data.pixels[6 * i] / 10;
      EXPECT_EQ(data.pixels[6 * i + 5], 10 * image + 5);
      EXPECT_EQ(data.labels[i], image % 3);
      all.push_back(image);
    }
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    return all;
  };
  const auto three = chosen(3, 7);
  EXPECT_EQ(three.size(), 3);
  EXPECT_EQ(three, chosen(3, 7));
  const auto four = chosen(4, 7);
  EXPECT_TRUE(std::includes(four.begin(), four.end(), three.begin(), three.end()));
  std::set<std::vector<int>> of_seeds;
  for (std::uint64_t seed = 0; seed < 10; ++seed) of_seeds.insert(chosen(3, seed));
  EXPECT_GT(of_seeds.size(), 2);
  options_.test_samples = 1;
  EXPECT_EQ(open()->test().size(), 1);
}

TEST_F(Idx, RefusesMoreSamplesThanThereAre) {
  options_.samples = 7;
  expect_error(HasSubstr("data.samples = 7: idx:. has 6 training samples"));
  options_.samples.reset();
  options_.test_samples = 3;
  expect_error(HasSubstr("data.test_samples = 3: idx:. has 2 test samples"));
}

TEST_F(Idx, NamesTheFileThatIsMissing) {
  std::filesystem::remove(folder_.path() / "t10k-labels-idx1-ubyte");
  expect_error(HasSubstr("t10k-labels-idx1-ubyte: there is no such file"));
}

TEST_F(Idx, RefusesWhatIsNoIdxFile) {
  const std::string name = "train-images-idx3-ubyte";
  const auto expect = [&](const std::string& text, const std::string& message) {
    write(name, text);
    expect_error(AllOf(HasSubstr(name), HasSubstr(message)));
  };
  expect("", "truncated: ends after 0 bytes");
  expect(bytes({0, 0}), "truncated");
  expect("PK\x03\x04", "is no IDX file: begins with 50 4b");
  expect(bytes({0, 0, 0x0d, 3}) + images(6).substr(4), "has values of type 0x0d");
  expect(labels(bytes({1, 2})), "has 1 dimensions, expected 3 or 4");
  expect(idx({0, 2, 3}, ""), "one of its dimensions is 0");
  expect(images(6).substr(0, 51), "no IDX file: its header asks for");
  expect(images(6) + "x", "goes on after the 52 bytes");
  expect(images(5), "5 images");
  expect(idx({6, 2, 3, 1}, std::string(36, 0)), "has images of 2 channels");
  expect(idx({6, 3, 2}, std::string(36, 0)), "has images of 1 x 2 x 3");
  expect(idx({1, 1, 5000}, std::string(5000, 0)), "no side may be above 4096");
}

TEST_F(Idx, RefusesLabelsThatDoNotFit) {
  write("t10k-labels-idx1-ubyte", labels(bytes({0, 3})));
  expect_error(HasSubstr("label 3 of image 1 does not occur in training"));
  write("t10k-labels-idx1-ubyte", labels(bytes({0, 1, 2})));
  expect_error(HasSubstr("has 3 labels for the 2 images"));
  write("t10k-labels-idx1-ubyte", labels(bytes({0, 0})));
  write("train-labels-idx1-ubyte", labels(std::string(6, 0)));
  expect_error(HasSubstr("has one class only"));
}

// Sizes in a header are checked: no memory is allocated that the file could not fill.
TEST_F(Idx, HostileHeadersAreRefusedBeforeMemoryIsAskedFor) {
  const std::string name = "train-images-idx3-ubyte";
  const std::uint32_t most = 0xffffffff;
  write(name, idx({most, most, most}, "x"));
  expect_error(HasSubstr("no IDX file: its header asks for"));
  write("train-labels-idx1-ubyte", idx({most}, "x"));
  write(name, images(6));
  expect_error(HasSubstr("train-labels-idx1-ubyte: truncated or no IDX file"));
  SetUp();
  std::filesystem::remove(folder_.path() / name);
  write_gzip(folder_.path() / (name + ".gz"), idx({1000000, 1000, 1000}, "x"));
  expect_error(HasSubstr("and it holds no more than"));
}

TEST_F(Idx, PackedFilesMayBeDamagedToo) {
  const std::string name = "train-images-idx3-ubyte";
  std::filesystem::remove(folder_.path() / name);
  const auto path = folder_.path() / (name + ".gz");
  write_gzip(path, images(6));
  const std::string whole = test::read_file(path);
  // Also if only the checksum at its end is cut off, so that all images are complete.
  for (std::size_t cut = 1; cut <= 12; ++cut) {
    write(name + ".gz", whole.substr(0, whole.size() - cut));
    expect_error(HasSubstr(name + ".gz: "));
  }
  std::string changed = whole;
  changed[whole.size() - 6] ^= 1;  // in the checksum
  write(name + ".gz", changed);
  expect_error(HasSubstr("cannot be unpacked"));
  write_gzip(path, images(6) + std::string(1'000'000, 'x'));
  expect_error(HasSubstr("goes on after"));
}

std::string record(std::initializer_list<int> label, char pixel) {
  return bytes(label) + std::string(3072, pixel);
}

TEST(Cifar, TenReadsItsBatchesInTheOrderOfTheirNames) {
  const TemporaryFolder folder;
  folder.write("data_batch_2.bin", record({9}, 'c'));
  folder.write("data_batch_1.bin", record({1}, 'a') + record({2}, 'b'));
  folder.write("test_batch.bin", record({3}, 't'));
  DataOptions options;
  options.source = "cifar10:.";
  const auto source = open_source(options, folder.path());
  EXPECT_EQ(source->labels(), (std::vector<int>{1, 2, 9}));
  const Dataset train = source->train();
  EXPECT_EQ(train.shape.channels, 3);
  EXPECT_EQ(train.shape.height, 32);
  EXPECT_EQ(train.shape.classes, 10);
  ASSERT_EQ(train.pixels.size(), 3 * 3072);
  EXPECT_EQ(train.pixels[3072], 'b');
  EXPECT_EQ(train.pixels.back(), 'c');
  EXPECT_EQ(source->test().pixels.front(), 't');

  options.samples = 1;
  std::set<char> seen;
  for (options.seed = 0; options.seed < 30; ++options.seed) {
    const Dataset one = open_source(options, folder.path())->train();
    ASSERT_EQ(one.pixels.size(), 3072);
    EXPECT_EQ(one.labels.front(), one.pixels.front() == 'c' ? 9 : one.pixels.back() - 'a' + 1);
    seen.insert(static_cast<char>(one.pixels.front()));
  }
  EXPECT_EQ(seen.size(), 3);
}

TEST(Cifar, HundredTakesTheFineLabel) {
  const TemporaryFolder folder;
  folder.write("train.bin", record({19, 99}, 'a') + record({0, 5}, 'b'));
  folder.write("test.bin", record({0, 5}, 't'));
  DataOptions options;
  options.source = "cifar100:.";
  const auto source = open_source(options, folder.path());
  EXPECT_EQ(source->labels(), (std::vector<int>{99, 5}));
  EXPECT_EQ(source->shape().classes, 100);
  EXPECT_EQ(source->train().pixels.back(), 'b');
}

TEST(Cifar, NamesFileAndRecordOfWhatIsWrong) {
  const TemporaryFolder folder;
  DataOptions options;
  options.source = "cifar10:.";
  const auto expect = [&](const std::string& message) {
    EXPECT_THAT([&] { open_source(options, folder.path()); },
                ThrowsMessage<base::UserError>(HasSubstr(message)));
  };
  expect("there is no data_batch_1.bin");
  folder.write("data_batch_1.bin", record({1}, 'a') + record({10}, 'b'));
  expect("data_batch_1.bin: record 1 has label 10, expected 0 to 9");
  folder.write("data_batch_1.bin", record({1}, 'a') + "x");
  expect("data_batch_1.bin: has 3074 bytes, 1 records of 3073 bytes and 1 more");
  folder.write("data_batch_1.bin", "");
  expect("data_batch_1.bin: is empty");
  folder.write("data_batch_1.bin", record({1}, 'a'));
  expect("test_batch.bin: there is no such file");
  write_gzip(folder.path() / "test_batch.bin", record({1}, 'a'));
  expect("test_batch.bin: is packed");
  options.source = "cifar100:.";
  folder.write("train.bin", record({20, 1}, 'a'));
  expect("train.bin: record 0 has coarse label 20");
}

TEST(Split, IsByLabelAndDependsOnSeedAndNode) {
  std::vector<int> all;
  std::vector<std::int64_t> indices;
  for (int i = 0; i < 300; ++i) {
    all.push_back(i % 3);
    if (i % 2 == 0) indices.push_back(i);
  }
  const LocalSplit split = split_local(indices, all, 0.2, 1, 4);
  const auto counts = class_counts({split.train, split.test}, all, 3);
  EXPECT_EQ(counts, (std::vector<std::vector<std::int64_t>>{{40, 40, 40}, {10, 10, 10}}));
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_TRUE(std::is_sorted(split.test.begin(), split.test.end()));
  std::vector<std::int64_t> both = split.train;
  both.insert(both.end(), split.test.begin(), split.test.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(both, indices);
  EXPECT_EQ(split.test, split_local(indices, all, 0.2, 1, 4).test);
  EXPECT_NE(split.test, split_local(indices, all, 0.2, 1, 5).test);
  EXPECT_NE(split.test, split_local(indices, all, 0.2, 2, 4).test);
  EXPECT_TRUE(split_local(indices, all, 0, 1, 4).test.empty());
  EXPECT_TRUE(split_local({}, all, 0.2, 1, 4).train.empty());
}

TEST(RealData, IsReadWhereItLies) {
  const std::filesystem::path shared =
      std::filesystem::path(CONVOY_SOURCE).parent_path() / "shared" / "data";
  if (!std::filesystem::exists(shared / "mnist")) {
    GTEST_SKIP() << "no data sets in " << shared;
  }
  DataOptions options;
  options.samples = 1000;
  options.source = "idx:mnist";
  const auto mnist = open_source(options, shared);
  EXPECT_EQ(mnist->shape().classes, 10);
  EXPECT_EQ(mnist->shape().height, 28);
  EXPECT_EQ(mnist->test_size(), 10000);
  EXPECT_EQ(mnist->train().pixels.size(), 784000);
  options.source = "cifar10:cifar-10-batches-bin";
  EXPECT_EQ(open_source(options, shared)->test().size(), 2000);
  options.source = "csv:text/ag_news_test.csv";
  const auto news = open_source(options, shared);
  EXPECT_EQ(news->shape().classes, 4);
  EXPECT_EQ(news->test_size(), 760);
  EXPECT_EQ(news->train().size(), 1000);
}

}  // namespace
}  // namespace convoy::engine
