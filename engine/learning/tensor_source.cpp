#include "engine/learning/tensor_source.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <sstream>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "engine/codec/places.hpp"
#include "engine/learning/masks.hpp"

namespace convoy::engine {

const Tensor* TensorSource::take(const std::string& name) {
  const Tensor* t = file_.find(name);
  if (t != nullptr) taken_.insert(name);
  return t;
}

Tensor TensorSource::get(const std::string& name, const std::vector<std::int64_t>& shape) {
  const Tensor* t = take(name);
  if (t == nullptr) {
    fail(fmt::format("has no tensor \"{}\"; {} needs it", name, layout_.architecture->name));
  }
  if (t->sizes().vec() != shape) {
    fail(fmt::format("tensor \"{}\" is of shape [{}], {} has [{}]", name,
                     fmt::join(t->sizes().vec(), ", "), layout_.architecture->name,
                     fmt::join(shape, ", ")));
  }
  if (!at::isFloatingType(t->scalar_type())) {
    fail(fmt::format("tensor \"{}\" holds whole numbers; weights are none", name));
  }
  return t->to(at::kFloat);
}

Tensor TensorSource::squares(const std::string& name, const std::vector<std::int64_t>& shape) {
  Tensor t = get(name, shape);
  if (at::lt(t, 0).any().item<bool>()) fail(fmt::format("\"{}\" holds a negative square", name));
  return t;
}

std::vector<std::uint8_t> TensorSource::bytes(const std::string& name, std::int64_t size) {
  if (size == 0) return {};
  const Tensor t = byte_tensor(name, size);
  const auto* first = t.data_ptr<std::uint8_t>();
  return {first, first + size};
}

Tensor TensorSource::byte_tensor(const std::string& name, std::int64_t size) {
  const Tensor* t = take(name);
  if (t == nullptr || t->scalar_type() != at::kByte || t->dim() != 1 || t->numel() != size) {
    fail(fmt::format("has no \"{}\" of {} bytes", name, size));
  }
  return *t;
}

Tensor TensorSource::flags(const std::string& name, const std::vector<std::int64_t>& shape) {
  const std::int64_t size = c10::multiply_integers(shape);
  return decoded_mask(name,
                      [&] { return mask_of_flags(byte_tensor(name, bytes_of_bits(size)), shape); });
}

Tensor TensorSource::places(const std::string& name, std::int64_t kept,
                            const std::vector<std::int64_t>& shape) {
  const std::int64_t size = c10::multiply_integers(shape);
  return decoded_mask(
      name, [&] { return mask_of_places(byte_tensor(name, mask_bytes(size, kept)), kept, shape); });
}

template <class Decode>
Tensor TensorSource::decoded_mask(const std::string& name, Decode decode) const {
  try {
    return decode();
  } catch (const base::UserError& error) {
    if (std::string_view(error.what()).starts_with(from_)) throw;
    fail(fmt::format("\"{}\": {}", name, error.what()));
  }
}

std::int64_t TensorSource::length(const std::string& name, std::int64_t below) const {
  const Tensor* t = file_.find(name);
  if (t == nullptr || t->dim() != 1 || t->numel() >= below || t->numel() < 1) {
    fail(fmt::format("has no \"{}\" of some of {} elements", name, below));
  }
  return t->numel();
}

void TensorSource::check_variance(const ParameterTensor& p, const std::string& name,
                                  const Tensor& t) const {
  if (p.role != TensorRole::running_variance || !at::lt(t, 0).any().item<bool>()) return;
  fail(fmt::format("tensor \"{}\" holds a variance of {}: none is below 0", name,
                   t.min().item<float>()));
}

void TensorSource::check_finite(const std::string& name, const Tensor& t) const {
  if (is_finite({t})) return;
  const Tensor bad = at::isfinite(t).logical_not().flatten().nonzero();
  fail(fmt::format("tensor \"{}\" holds NaN or infinity in {} of its {} elements (first at {})",
                   name, bad.size(0), t.numel(), bad[0].item<std::int64_t>()));
}

void TensorSource::finish() const {
  for (const auto& [name, tensor] : file_.tensors) {
    if (taken_.contains(name)) continue;
    std::vector<std::string> known;
    for (const ParameterTensor& p : layout_.tensors) known.push_back(p.name);
    fail(fmt::format("tensor \"{}\" is not of {}{}", name.substr(0, 80), layout_.architecture->name,
                     base::did_you_mean(name, known)));
  }
}

const std::string& TensorSource::text(const std::string& key) const {
  const auto found = file_.metadata.find(key);
  if (found == file_.metadata.end()) {
    fail(fmt::format("does not say \"{}\" in its metadata", key));
  }
  return found->second;
}

double TensorSource::number(const std::string& key) const {
  const std::string& word = text(key);
  double value = 0;
  if (std::from_chars(word.data(), word.data() + word.size(), value).ec != std::errc()) {
    fail(fmt::format("does not say \"{}\" in its metadata", key));
  }
  return value;
}

std::int64_t TensorSource::whole(const std::string& key) const {
  constexpr double most = 1e15;
  const double value = number(key);
  if (!(value >= 0 && value <= most) || value != std::floor(value)) {
    fail(fmt::format("\"{}\" in its metadata is no whole number of at least 0", key));
  }
  return static_cast<std::int64_t>(value);
}

std::uint64_t TensorSource::number64(const std::string& key) const {
  const std::string& word = text(key);
  std::uint64_t value = 0;
  const char* end = word.data() + word.size();
  const auto [stop, failure] = std::from_chars(word.data(), end, value);
  if (failure != std::errc() || stop != end) fail(fmt::format("\"{}\" is no number", key));
  return value;
}

std::vector<double> TensorSource::numbers(const std::string& key) const {
  std::vector<double> all;
  std::istringstream words(text(key));
  for (std::string word; words >> word;) {
    double value = 0;
    const char* end = word.data() + word.size();
    const auto [stop, failure] = std::from_chars(word.data(), end, value);
    if (failure != std::errc() || stop != end || !(value >= 0) || !std::isfinite(value)) {
      fail(fmt::format("\"{}\" in its metadata holds something that is no size", key));
    }
    all.push_back(value);
  }
  return all;
}

void TensorSource::fail(const std::string& what) const {
  throw base::UserError(fmt::format("{}: {}", from_, what));
}

}  // namespace convoy::engine
