#pragma once

// A file for what has no place in memory for a while: written once, read in any part, removed with
// the object. Only the process that wrote it reads it, so it is not synced to the disk, and its
// checksums are in memory.
//
//   ScratchFile file("waiting/17", pieces);
//   file.read(2, offset, bytes);   // a part of piece 2; from any thread

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/non_copyable.hpp"

namespace convoy::base {

class ScratchFile : NonCopyable {
 public:
  // Writes the file, which must not exist. Throws UserError with the file and the system's reason
  // ("No space left on device"); then no file is left.
  ScratchFile(std::filesystem::path path, const std::vector<std::span<const std::byte>>& pieces);
  ~ScratchFile();

  // Fills `bytes` with those of a piece from `offset` on; they must lie within it. Throws UserError
  // where the file is missing, or shorter than it was, or where its content has changed in a block
  // of which something is read.
  void read(std::size_t piece, std::uint64_t offset, std::span<std::byte> bytes) const;

  // Bytes with a checksum of their own; the last block of a piece may be shorter.
  static constexpr std::uint64_t block = 256 << 10;

 private:
  struct Piece {
    std::uint64_t begin = 0;  // in the file
    std::uint64_t size = 0;
    std::vector<std::uint64_t> checksums;  // by block
  };

  std::filesystem::path path_;
  std::vector<Piece> pieces_;
};

}  // namespace convoy::base
