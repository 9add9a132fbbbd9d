#include "base/scratch_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/hash.hpp"

namespace convoy::base {
namespace {

[[noreturn]] void scratch_failed(const std::filesystem::path& path, const char* what, int error) {
  throw UserError(
      fmt::format("{}: {}: {}", path.string(), what, std::generic_category().message(error)));
}

// An open file; a number below 0: it could not be opened.
class Descriptor : NonCopyable {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }
  // Network file systems may report a full disk only here. Gives errno, or 0.
  int close() {
    const int closed = ::close(std::exchange(number_, -1));
    return closed == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int number_ = -1;
};

std::vector<std::uint64_t> checksums_of(std::span<const std::byte> piece) {
  std::vector<std::uint64_t> all;
  while (!piece.empty()) {
    const auto part = piece.first(std::min<std::size_t>(piece.size(), ScratchFile::block));
    all.push_back(hash_of(part));
    piece = piece.subspan(part.size());
  }
  return all;
}

}  // namespace

ScratchFile::ScratchFile(std::filesystem::path path,
                         const std::vector<std::span<const std::byte>>& pieces)
    : path_(std::move(path)) {
  Descriptor file(path_, O_WRONLY | O_CREAT | O_EXCL);
  if (file.number() < 0) scratch_failed(path_, "cannot be written", errno);
  const auto fail = [&](int error) {
    ::unlink(path_.c_str());
    scratch_failed(path_, "cannot be written", error);
  };
  std::uint64_t begin = 0;
  for (std::span<const std::byte> piece : pieces) {
    pieces_.push_back({begin, piece.size(), checksums_of(piece)});
    begin += piece.size();
    while (!piece.empty()) {
      const ssize_t written = ::write(file.number(), piece.data(), piece.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail(errno);
      piece = piece.subspan(static_cast<std::size_t>(written));
    }
  }
  if (const int error = file.close(); error != 0) fail(error);
}

ScratchFile::~ScratchFile() { ::unlink(path_.c_str()); }

void ScratchFile::read(std::size_t piece, std::uint64_t offset, std::span<std::byte> bytes) const {
  const Piece& of = pieces_.at(piece);
  if (offset > of.size || bytes.size() > of.size - offset) {
    throw std::logic_error("a part of a scratch file that it does not have");
  }
  if (bytes.empty()) return;
  const Descriptor file(path_, O_RDONLY);
  if (file.number() < 0) scratch_failed(path_, "cannot be read", errno);
  const auto fill = [&](std::uint64_t at, std::span<std::byte> part) {
    while (!part.empty()) {
      const ssize_t got = ::pread(file.number(), part.data(), part.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) scratch_failed(path_, "cannot be read", errno);
      if (got == 0) throw UserError(path_.string() + ": is truncated");
      at += static_cast<std::uint64_t>(got);
      part = part.subspan(static_cast<std::size_t>(got));
    }
  };
  std::vector<std::byte> whole;  // a block of which only a part is asked for
  for (std::uint64_t at = offset; at < offset + bytes.size();) {
    const std::uint64_t begin = at / block * block;
    const std::uint64_t end = std::min(begin + block, of.size);
    const std::span<std::byte> part =
        bytes.subspan(at - offset, std::min(end, offset + bytes.size()) - at);
    const bool is_whole = part.size() == end - begin;
    if (!is_whole) whole.resize(end - begin);
    const std::span<std::byte> all = is_whole ? part : std::span(whole);
    fill(of.begin + begin, all);
    if (hash_of(all) != of.checksums[begin / block]) {
      throw UserError(path_.string() + ": is damaged: its content is not what was written");
    }
    if (!is_whole) std::memcpy(part.data(), whole.data() + (at - begin), part.size());
    at += part.size();
  }
}

}  // namespace convoy::base
