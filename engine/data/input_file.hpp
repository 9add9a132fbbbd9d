#pragma once

// A file read from front to end, plain or gzipped; zlib tells which. What a file claims about its
// own size is to be checked against most() before memory is asked for.

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
  // Throws base::UserError, as all of this does.
  explicit InputFile(const std::filesystem::path& path);

  // Fills `bytes`; fails where the file ends before.
  void read(std::span<std::uint8_t> bytes);
  void skip(std::int64_t count);
  // Fails where something is left.
  void expect_end();

  [[nodiscard]] bool compressed() const;
  // The bytes that it can hold in all: its size, or what that much can be unpacked to.
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
