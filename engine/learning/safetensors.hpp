#pragma once

// Files in the safetensors format (github huggingface/safetensors): 8 bytes with the length of a
// JSON header, the header with each tensor's dtype, shape and place, then the bytes.

#include <filesystem>
#include <map>
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

// Writes beside the file and renames, so that a file is there whole or not at all. float, int,
// long and byte tensors. Throws base::UserError where the disk refuses.
void write_safetensors(const std::filesystem::path& file, const TensorFile& content);

// Throws base::UserError naming the file for anything that is not whole and well-formed: lengths
// and places are checked against the file before memory is taken. F64, F32, F16, BF16, I64, I32,
// U8.
TensorFile read_safetensors(const std::filesystem::path& file);

}  // namespace convoy::engine
