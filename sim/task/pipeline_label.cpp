#include "sim/task/pipeline_label.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace convoy::sim {
namespace {

using Kind = PipelineLabel::Kind;

constexpr std::array<std::pair<Kind, std::string_view>, 9> kind_words = {{
    {Kind::forward, "F"},
    {Kind::backward, "B"},
    {Kind::take, "take"},
    {Kind::all_reduce, "all-reduce"},
    {Kind::add, "add"},
    {Kind::step, "step"},
    {Kind::give, "give"},
    {Kind::collect, "collect"},
    {Kind::join, "join"},
}};

bool begin_with(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// Takes a number >= 0 in the form in which it is written; -1: there is none.
int take_number(std::string_view& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return -1;
  const auto length = static_cast<std::size_t>(end - text.data());
  if (length > 1 && text.front() == '0') return -1;
  text.remove_prefix(length);
  return number;
}

}  // namespace

std::string to_text(const PipelineLabel& label) {
  std::string text;
  for (const auto& [kind, word] : kind_words) {
    if (kind == label.kind) text = word;
  }
  if (label.microbatch >= 0) text += std::to_string(label.microbatch);
  text += '@';
  text += std::to_string(label.stage);
  if (label.to_stage >= 0) {
    text += '>';
    text += std::to_string(label.to_stage);
  }
  return text;
}

std::optional<PipelineLabel> read_pipeline_label(std::string_view text) {
  PipelineLabel label;
  bool known = false;
  for (const auto& [kind, word] : kind_words) {
    if (known || !begin_with(text, word)) continue;
    label.kind = kind;
    known = true;
  }
  if (!known) return std::nullopt;
  label.microbatch = take_number(text);
  if (!begin_with(text, "@")) return std::nullopt;
  label.stage = take_number(text);
  if (label.stage < 0) return std::nullopt;
  if (begin_with(text, ">")) {
    label.to_stage = take_number(text);
    if (label.to_stage < 0) return std::nullopt;
  }
  if (!text.empty()) return std::nullopt;
  return label;
}

std::string without_microbatch(std::string_view label) {
  std::optional<PipelineLabel> read = read_pipeline_label(label);
  if (!read) return std::string(label);
  read->microbatch = -1;
  return to_text(*read);
}

}  // namespace convoy::sim
