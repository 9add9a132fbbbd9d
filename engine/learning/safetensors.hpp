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

// The JSON header for these tensors in order, padded to a multiple of 8 bytes.
std::string header_of(const TensorFile& content);

// Limits for a header, checked before it is parsed.
struct HeaderLimits {
  std::uint64_t bytes = 100'000'000;  // as in the format's reference reader
  std::uint64_t tensors = 1'000'000;
};

// The tensors that a header announces, not filled yet, and their memory in the order of the bytes.
struct Announced {
  TensorFile content;
  std::vector<std::span<std::byte>> pieces;
};
// Parses a header. `bytes`: size of all tensors; `from` names the source in messages. Throws
// base::UserError if the header is malformed, exceeds the limits, has duplicate names or does not
// describe exactly `bytes` bytes. Checked before memory is allocated, in time proportional to the
// header's length.
Announced announced_by(std::string_view header, std::uint64_t bytes, const std::string& from,
                       const HeaderLimits& limits = {});

// Writes a draft and renames it, so that the file is whole or absent; adds a checksum to the
// metadata (convoy_xxh3). float, int, long and byte tensors. Throws base::UserError if writing
// fails.
void write_safetensors(const std::filesystem::path& file, TensorFile content);

// Who has written the file: `kept` files are our own, and their checksum must match; files of
// `anybody` need no checksum.
enum class Origin { anybody, kept };

// Throws base::UserError naming the file if it is incomplete or malformed; sizes and offsets are
// checked against the file before memory is allocated. F64, F32, F16, BF16, I64, I32, U8.
TensorFile read_safetensors(const std::filesystem::path& file, const HeaderLimits& limits = {},
                            Origin origin = Origin::anybody);

}  // namespace convoy::engine
