#pragma once

// Files in the safetensors format (github huggingface/safetensors): 8 bytes with the length of a
// JSON header, the header with each tensor's dtype, shape and place, then the bytes.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/learning/tensors.hpp"

namespace convoy::engine {

struct TensorFile {
  std::vector<std::pair<std::string, Tensor>> tensors;  // in the order of the file
  std::map<std::string, std::string> metadata;

  // The tensor of that name, or null.
  [[nodiscard]] const Tensor* find(const std::string& name) const;
};

// The JSON header of the tensors one after another, padded to a multiple of 8 bytes.
std::string header_of(const TensorFile& content);

// What a header may be at most: what is larger is refused before it is parsed.
struct HeaderLimits {
  std::uint64_t bytes = 100'000'000;  // as the format's own reader
  std::uint64_t tensors = 1'000'000;
};

// What a header announces: its tensors, not filled yet, and their memory in the order of the bytes.
struct Announced {
  TensorFile content;
  std::vector<std::span<std::byte>> pieces;
};
// `bytes`: of the tensors together; `from` names the source in messages. Throws base::UserError for
// anything that is not well-formed, beyond the limits, names something twice, or does not describe
// just that many bytes: checked before memory is taken, in time that grows with the header's length
// alone.
Announced announced_by(std::string_view header, std::uint64_t bytes, const std::string& from,
                       const HeaderLimits& limits = {});

// Writes beside the file and renames, so that a file is there whole or not at all, with a checksum
// among its metadata (convoy_xxh3). float, int, long and byte tensors. Throws base::UserError where
// the disk refuses.
void write_safetensors(const std::filesystem::path& file, TensorFile content);

// Whose file it is: one that we keep for ourselves has to be what its checksum says, to the last
// byte; who makes or changes one elsewhere need not know of that.
enum class Origin { anybody, kept };

// Throws base::UserError naming the file for anything that is not whole and well-formed: lengths
// and places are checked against the file before memory is taken. F64, F32, F16, BF16, I64, I32,
// U8.
TensorFile read_safetensors(const std::filesystem::path& file, const HeaderLimits& limits = {},
                            Origin origin = Origin::anybody);

}  // namespace convoy::engine
