#include "engine/learning/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"

namespace convoy::engine {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;  // for writing only: each look-up is linear

static_assert(std::endian::native == std::endian::little);  // as in the format

constexpr const char* checksum_key = "convoy_xxh3";
constexpr std::string_view checksum_mark = "\"convoy_xxh3\":\"";
constexpr std::string_view no_checksum = "0000000000000000";

struct Type {
  const char* name;
  at::ScalarType type;
};
constexpr std::array types = {Type{"F32", at::kFloat}, Type{"F64", at::kDouble},
                              Type{"F16", at::kHalf},  Type{"BF16", at::kBFloat16},
                              Type{"I64", at::kLong},  Type{"I32", at::kInt},
                              Type{"U8", at::kByte}};

constexpr std::size_t most_dimensions = 16;
constexpr int deepest = 3;  // the header, a tensor, its shape

class HeaderReader {
 public:
  HeaderReader(std::uint64_t bytes, std::string from, const HeaderLimits& limits)
      : bytes_(bytes), from_(std::move(from)), limits_(limits) {}

  Announced read(std::string_view text) {
    if (text.size() > limits_.bytes) {
      fail(fmt::format("has a header of {} bytes, at most {} are expected here", text.size(),
                       limits_.bytes));
    }
    const json header = parse(text);
    std::vector<Place> places;
    places.reserve(names_.size());
    for (const std::string& name : names_) {
      if (name == "__metadata__") {
        metadata(header[name]);
      } else {
        places.push_back(place(name, header[name]));
      }
    }
    // Everything is checked before memory is allocated.
    std::stable_sort(places.begin(), places.end(),
                     [](const Place& a, const Place& b) { return a.from < b.from; });
    std::uint64_t end = 0;
    for (const Place& p : places) {
      if (p.from != end) fail("has a damaged header: tensors overlap or leave gaps");
      end = p.to;
    }
    if (end != bytes_) {
      fail(fmt::format("is damaged: its header speaks of {} bytes, there are {}", end, bytes_));
    }
    Announced result;
    result.content.metadata = std::move(metadata_);
    for (Place& p : places) {
      const Tensor t = at::empty(p.shape, p.type);
      result.pieces.emplace_back(static_cast<std::byte*>(t.data_ptr()), t.nbytes());
      result.content.tensors.emplace_back(std::move(p.name), t);
    }
    return result;
  }

 private:
  struct Place {
    std::string name;
    at::ScalarType type = at::kFloat;
    std::vector<std::int64_t> shape;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw base::UserError(fmt::format("{}: {}", from_, what));
  }

  // Two passes in linear time (the library's parser callback takes quadratic time). The first pass
  // keeps the order of the tensors and rejects too many tensors and duplicate names before anything
  // is built.
  json parse(std::string_view text) {
    // Required by the format.
    if (text.empty() || text.front() != '{') fail("has a damaged header: no JSON object");
    Names names(*this);
    json header;
    if (json::sax_parse(text, &names)) header = json::parse(text, nullptr, false);
    if (!header.is_object()) fail("has a damaged header: no JSON object");
    return header;
  }

  // The first pass.
  class Names : public nlohmann::json_sax<json> {
   public:
    explicit Names(HeaderReader& reader) : reader_(reader) {}
    bool start_object(std::size_t /*elements*/) override { return deeper(); }
    bool start_array(std::size_t /*elements*/) override { return deeper(); }
    bool end_object() override { return higher(); }
    bool end_array() override { return higher(); }
    bool key(std::string& name) override {
      if (depth_ == 1) within_.clear();
      if (!(depth_ == 1 ? all_ : within_).insert(name).second) {
        reader_.fail(fmt::format("has a damaged header: it names \"{}\" twice", shown(name)));
      }
      if (depth_ > 1) return true;
      reader_.names_.push_back(name);
      if (reader_.names_.size() > reader_.limits_.tensors + 1) {  // one more for the metadata
        reader_.fail(
            fmt::format("has a header of more than {} tensors, the most that are expected "
                        "here",
                        reader_.limits_.tensors));
      }
      return true;
    }
    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(number_integer_t /*value*/) override { return true; }
    bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
    bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
    bool string(string_t& /*value*/) override { return true; }
    bool binary(binary_t& /*value*/) override { return true; }
    bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*why*/) override {
      return false;
    }

   private:
    bool deeper() {
      if (++depth_ > deepest) reader_.fail("has a damaged header: it is nested too deeply");
      return true;
    }
    bool higher() {
      --depth_;
      return true;
    }

    HeaderReader& reader_;
    int depth_ = 0;
    std::unordered_set<std::string> within_;  // names in the present tensor or in the metadata
    std::unordered_set<std::string> all_;
  };

  static std::string shown(const std::string& name) { return base::printable(name.substr(0, 80)); }

  void metadata(const json& value) {
    if (!value.is_object()) fail("has a damaged header: __metadata__ is no object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail("has a damaged header: __metadata__ holds more than texts");
      metadata_[key] = text.get<std::string>();
    }
  }

  [[nodiscard]] Place place(const std::string& name, const json& value) const {
    const auto bad = [&](const char* what) {
      fail(fmt::format("tensor \"{}\": {}", shown(name), what));
    };
    const auto whole = [](const json& v) { return v.is_number_unsigned(); };
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
    Place p{name,
            type->type,
            {},
            value["data_offsets"][0].get<std::uint64_t>(),
            value["data_offsets"][1].get<std::uint64_t>()};
    if (p.from > p.to || p.to > bytes_) bad("lies outside of the file; is it truncated?");
    if (value["shape"].size() > most_dimensions) bad("has a shape of more than 16 dimensions");
    std::uint64_t elements = 1;
    for (const json& n : value["shape"]) {
      if (!whole(n)) bad("has a shape that is none");
      const auto length = n.get<std::uint64_t>();
      if (length > bytes_ || (length > 0 && elements > bytes_ / length)) {
        bad("has a shape larger than the file");
      }
      elements *= length;
      p.shape.push_back(static_cast<std::int64_t>(length));
    }
    if (elements * c10::elementSize(p.type) != p.to - p.from) {
      bad("has a shape that does not fit its bytes");
    }
    return p;
  }

  std::uint64_t bytes_;
  std::string from_;
  HeaderLimits limits_;
  std::vector<std::string> names_;  // in the order of the header
  std::map<std::string, std::string> metadata_;
};

}  // namespace

const Tensor* TensorFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == tensors.end() ? nullptr : &found->second;
}

std::string header_of(const TensorFile& content) {
  ordered_json header = ordered_json::object();
  if (!content.metadata.empty()) header["__metadata__"] = content.metadata;
  std::uint64_t place = 0;
  for (const auto& [name, tensor] : content.tensors) {
    const auto* const type = std::find_if(
        types.begin(), types.end(), [&](const Type& t) { return t.type == tensor.scalar_type(); });
    TORCH_INTERNAL_ASSERT(type != types.end());
    header[name] = {{"dtype", type->name},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {place, place + tensor.nbytes()}}};
    place += tensor.nbytes();
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // data begin at a multiple of 8
  return text;
}

Announced announced_by(std::string_view header, std::uint64_t bytes, const std::string& from,
                       const HeaderLimits& limits) {
  return HeaderReader(bytes, from, limits).read(header);
}

namespace {

// Position of the checksum's digits in a header written by us; npos: no checksum.
std::size_t place_of_checksum(std::string_view header) {
  const std::size_t key = header.find(checksum_mark);
  if (key == header.npos || header.size() - key < checksum_mark.size() + no_checksum.size()) {
    return header.npos;
  }
  return key + checksum_mark.size();
}

// Over all bytes after the header's length; the checksum itself counts as zeros.
std::string checksum(std::string header, const std::vector<std::span<const std::byte>>& pieces) {
  header.replace(place_of_checksum(header), no_checksum.size(), no_checksum);
  base::Hash hash;
  hash.add(std::as_bytes(std::span(header)));
  for (const std::span<const std::byte> piece : pieces) hash.add(piece);
  return hash.text();
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, TensorFile content) {
  std::vector<std::span<const std::byte>> pieces;
  for (auto& [name, tensor] : content.tensors) {
    tensor = tensor.cpu().contiguous();
    pieces.emplace_back(static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes());
  }
  content.metadata[checksum_key] = no_checksum;
  std::string text = header_of(content);
  text.replace(place_of_checksum(text), no_checksum.size(), checksum(text, pieces));
  const std::uint64_t length = text.size();
  base::WholeFile out(file);
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(text);
  for (const std::span<const std::byte> piece : pieces) out.write(piece);
  out.commit();
}

TensorFile read_safetensors(const std::filesystem::path& file, const HeaderLimits& limits,
                            Origin origin) {
  base::InputStream in(file);
  const auto fail = [&](const std::string& what) {
    throw base::UserError(fmt::format("{}: {}", file.string(), what));
  };
  const std::uint64_t size = in.size();
  std::uint64_t length = 0;
  if (size < sizeof length) fail("is no safetensors file: too short");
  in.read(std::as_writable_bytes(std::span(&length, 1)));
  if (length > HeaderLimits().bytes || length > size - sizeof length) {
    fail(fmt::format("is no safetensors file, or truncated: a header of {} bytes in a file of {}",
                     length, size));
  }
  if (length > limits.bytes) {
    fail(
        fmt::format("has a header of {} bytes, at most {} are expected here; is it of another "
                    "model?",
                    length, limits.bytes));
  }
  std::string text(length, '\0');
  in.read(std::as_writable_bytes(std::span(text)));
  Announced announced = announced_by(text, size - sizeof length - length, file.string(), limits);
  for (const std::span<std::byte> piece : announced.pieces) in.read(piece);
  announced.content.metadata.erase(checksum_key);
  if (origin == Origin::kept) {
    const std::size_t place = place_of_checksum(text);
    const bool whole = place != text.npos &&
                       text.substr(place, no_checksum.size()) ==
                           checksum(text, {announced.pieces.begin(), announced.pieces.end()});
    if (!whole) fail("is damaged: its content is not what its checksum says");
  }
  return std::move(announced.content);
}

}  // namespace convoy::engine
