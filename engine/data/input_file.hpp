#pragma once

// Reads a file from front to end, plain or gzipped (zlib detects which). Check sizes that a file
// claims against most() before allocating memory.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

struct gzFile_s;

namespace convoy::engine {

constexpr std::int64_t largest_data = std::int64_t{8} << 30U;  // bytes of samples in memory

class InputFile {
 public:
  // Throws base::UserError, as all functions here do.
  explicit InputFile(const std::filesystem::path& path);

  // Fills `bytes`; fails if the file ends before.
  void read(std::span<std::uint8_t> bytes);
  void skip(std::int64_t count);
  // Fails if the file has not ended.
  void expect_end();

  [[nodiscard]] bool compressed() const;
  // Upper limit for the file's content in bytes: its size, or what gzip can unpack from it.
  [[nodiscard]] std::int64_t most() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::int64_t position() const { return position_; }

  // Throws base::UserError "NAME: message".
  [[noreturn]] void fail(const std::string& message) const;

 private:
  std::size_t read_some(std::span<std::uint8_t> bytes);

  struct Close {
    void operator()(gzFile_s* file) const;
  };
  std::string name_;
  std::int64_t size_ = 0;
  std::int64_t position_ = 0;
  std::unique_ptr<gzFile_s, Close> file_;
};

}  // namespace convoy::engine
