#include "engine/data/input_file.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/diagnostics.hpp"

namespace convoy::engine {

void InputFile::Close::operator()(gzFile_s* file) const { gzclose_r(file); }

InputFile::InputFile(const std::filesystem::path& path) : name_(path.string()) {
  std::error_code error;
  // Reject pipes, which could block forever.
  if (!std::filesystem::is_regular_file(path, error)) {
    const bool there = std::filesystem::exists(path, error);
    fail(there ? "is no plain file" : error ? error.message() : "there is no such file");
  }
  size_ = static_cast<std::int64_t>(std::filesystem::file_size(path, error));
  if (error) fail(error.message());
  file_.reset(gzopen(path.c_str(), "rb"));
  if (!file_) fail("cannot be opened; check that it may be read");
  gzbuffer(file_.get(), 1U << 17U);
}

bool InputFile::compressed() const { return gzdirect(file_.get()) == 0; }

std::int64_t InputFile::most() const {
  constexpr std::int64_t ratio = 1032;  // the most that deflate packs (zlib.net/zlib_tech.html)
  if (!compressed()) return size_;
  return size_ > std::numeric_limits<std::int64_t>::max() / ratio
             ? std::numeric_limits<std::int64_t>::max()
             : size_ * ratio;
}

std::size_t InputFile::read_some(std::span<std::uint8_t> bytes) {
  constexpr std::size_t piece = 1U << 30U;  // gzread counts in int
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto wanted = static_cast<unsigned>(std::min(piece, bytes.size() - done));
    const int got = gzread(file_.get(), bytes.data() + done, wanted);
    if (got < 0) {
      int code = 0;
      const std::string text = gzerror(file_.get(), &code);
      fail(fmt::format("cannot be unpacked after {} bytes ({}); fetch it again",
                       position_ + static_cast<std::int64_t>(done), text));
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  position_ += static_cast<std::int64_t>(done);
  return done;
}

void InputFile::read(std::span<std::uint8_t> bytes) {
  const std::int64_t end = position_ + static_cast<std::int64_t>(bytes.size());
  if (read_some(bytes) < bytes.size()) {
    fail(fmt::format("truncated: ends after {} bytes, at least {} are needed; fetch it again",
                     position_, end));
  }
}

void InputFile::skip(std::int64_t count) {
  std::array<std::uint8_t, 1U << 14U> dropped{};
  while (count > 0) {
    const auto now = std::min<std::int64_t>(count, dropped.size());
    read(std::span(dropped).first(static_cast<std::size_t>(now)));
    count -= now;
  }
}

void InputFile::expect_end() {
  const std::int64_t expected = position_;
  std::array<std::uint8_t, 1> more{};
  if (read_some(more) > 0) {
    fail(fmt::format("goes on after the {} bytes that it should have; fetch it again", expected));
  }
  // zlib gives the data unpacked so far and reports only here that the stream is truncated and its
  // checksum unverified.
  int code = 0;
  gzerror(file_.get(), &code);
  if (code != Z_OK && code != Z_STREAM_END)
    fail("truncated: its packed data break off; fetch it again");
}

void InputFile::fail(const std::string& message) const {
  throw base::UserError(fmt::format("{}: {}", name_, message));
}

}  // namespace convoy::engine
