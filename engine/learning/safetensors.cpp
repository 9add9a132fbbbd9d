#include "engine/learning/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>

namespace convoy::engine {
namespace {

using nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little);  // as the format is

struct Type {
  const char* name;
  at::ScalarType type;
};
constexpr std::array types = {Type{"F32", at::kFloat}, Type{"F64", at::kDouble},
                              Type{"F16", at::kHalf},  Type{"BF16", at::kBFloat16},
                              Type{"I64", at::kLong},  Type{"I32", at::kInt},
                              Type{"U8", at::kByte}};

constexpr std::uint64_t longest_header = 100'000'000;  // as the format's own reader

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file), in_(file, std::ios::binary) {
    if (!in_) fail("cannot be read");
    size_ = std::filesystem::file_size(file);
  }

  TensorFile read() {
    std::uint64_t length = 0;
    if (size_ < sizeof length) fail("is no safetensors file: too short");
    in_.read(reinterpret_cast<char*>(&length), sizeof length);
    if (length > longest_header || length > size_ - sizeof length) {
      fail(fmt::format("is no safetensors file, or truncated: a header of {} bytes in a file of {}",
                       length, size_));
    }
    std::string text(length, '\0');
    in_.read(text.data(), static_cast<std::streamsize>(length));
    data_ = sizeof length + length;
    const ordered_json header = ordered_json::parse(text, nullptr, false);
    if (!header.is_object()) fail("has a damaged header: no JSON object");
    TensorFile content;
    for (const auto& [name, value] : header.items()) {
      if (name == "__metadata__") {
        metadata(value, content);
      } else {
        content.tensors.emplace_back(name, tensor(name, value));
      }
    }
    std::sort(places_.begin(), places_.end());
    std::uint64_t end = 0;
    for (const auto& [from, to] : places_) {
      if (from != end) fail("has a damaged header: tensors overlap or leave gaps");
      end = to;
    }
    if (end != size_ - data_) {
      fail(fmt::format("is damaged: its header speaks of {} bytes, there are {}", end,
                       size_ - data_));
    }
    return content;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw base::UserError(fmt::format("{}: {}", file_.string(), what));
  }

  void metadata(const ordered_json& value, TensorFile& content) const {
    if (!value.is_object()) fail("has a damaged header: __metadata__ is no object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail("has a damaged header: __metadata__ holds more than texts");
      content.metadata[key] = text.get<std::string>();
    }
  }

  Tensor tensor(const std::string& name, const ordered_json& value) {
    const auto bad = [&](const char* what) {
      fail(fmt::format("tensor \"{}\": {}", name.substr(0, 80), what));
    };
    const auto whole = [](const ordered_json& v) { return v.is_number_unsigned(); };
    const bool complete = value.is_object() && value.contains("dtype") && value.contains("shape") &&
                          value.contains("data_offsets") && value["dtype"].is_string() &&
                          value["shape"].is_array() && value["data_offsets"].is_array() &&
                          value["data_offsets"].size() == 2 && whole(value["data_offsets"][0]) &&
                          whole(value["data_offsets"][1]);
    if (!complete) bad("has no dtype, shape or data_offsets");
    const auto dtype = value["dtype"].get<std::string>();
    const auto* const type =
        std::find_if(types.begin(), types.end(), [&](const Type& t) { return t.name == dtype; });
    if (type == types.end())
      bad("is of a type that is not read here (F32, F64, F16, BF16, I64...)");
    const auto from = value["data_offsets"][0].get<std::uint64_t>();
    const auto to = value["data_offsets"][1].get<std::uint64_t>();
    if (from > to || to > size_ - data_) bad("lies outside of the file; is it truncated?");
    std::vector<std::int64_t> shape;
    std::uint64_t elements = 1;
    for (const ordered_json& n : value["shape"]) {
      if (!whole(n)) bad("has a shape that is none");
      const auto length = n.get<std::uint64_t>();
      if (length > size_ || (length > 0 && elements > size_ / length)) {
        bad("has a shape larger than the file");
      }
      elements *= length;
      shape.push_back(static_cast<std::int64_t>(length));
    }
    const std::uint64_t element = c10::elementSize(type->type);
    if (elements * element != to - from) bad("has a shape that does not fit its bytes");
    Tensor t = at::empty(shape, type->type);
    in_.seekg(static_cast<std::streamoff>(data_ + from));
    in_.read(static_cast<char*>(t.data_ptr()), static_cast<std::streamsize>(to - from));
    if (!in_) bad("cannot be read");
    if (to > from) places_.emplace_back(from, to);
    return t;
  }

  std::filesystem::path file_;
  std::ifstream in_;
  std::uint64_t size_ = 0;
  std::uint64_t data_ = 0;  // where the bytes begin
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places_;
};

}  // namespace

const Tensor* TensorFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == tensors.end() ? nullptr : &found->second;
}

void write_safetensors(const std::filesystem::path& file, const TensorFile& content) {
  ordered_json header = ordered_json::object();
  if (!content.metadata.empty()) header["__metadata__"] = content.metadata;
  std::vector<Tensor> blocks;
  std::uint64_t place = 0;
  for (const auto& [name, tensor] : content.tensors) {
    const Tensor block = tensor.cpu().contiguous();
    const auto* const type = std::find_if(
        types.begin(), types.end(), [&](const Type& t) { return t.type == block.scalar_type(); });
    TORCH_INTERNAL_ASSERT(type != types.end());
    header[name] = {{"dtype", type->name},
                    {"shape", block.sizes().vec()},
                    {"data_offsets", {place, place + block.nbytes()}}};
    place += block.nbytes();
    blocks.push_back(block);
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begin at a multiple of 8
  const std::uint64_t length = text.size();
  const std::filesystem::path beside = file.string() + ".new";
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const Tensor& block : blocks) {
      out.write(static_cast<const char*>(block.data_ptr()),
                static_cast<std::streamsize>(block.nbytes()));
    }
    out.flush();
    if (!out) {
      throw base::UserError(fmt::format("{}: cannot be written; is the disk full?", file.string()));
    }
  }
  std::filesystem::rename(beside, file);
}

TensorFile read_safetensors(const std::filesystem::path& file) { return Reader(file).read(); }

}  // namespace convoy::engine
