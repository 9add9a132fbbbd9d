#pragma once

// The name of a node. Nodes of a group are numbered: they share what is kept here, and their names
// follow from their places.

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace convoy::sim {

class NodeName {
 public:
  NodeName() = default;
  NodeName(std::string name) : text_(std::move(name)) {}
  NodeName(const char* name) : text_(name) {}
  // "text-7" for the node `first`, if `number` is 7, "text-8" for the next, and so on.
  static NodeName numbered(std::string text, std::int64_t number, std::int64_t first) {
    NodeName name(std::move(text));
    name.shift_ = number - first;
    return name;
  }

  [[nodiscard]] std::string of(std::int64_t node) const {
    return shift_ ? fmt::format("{}-{}", text_, node + *shift_) : text_;
  }
  // What stands before the number; without a number all of it.
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::optional<std::int64_t> number(std::int64_t node) const {
    return shift_ ? std::optional(node + *shift_) : std::nullopt;
  }

  friend bool operator==(const NodeName&, const NodeName&) = default;

 private:
  std::string text_;
  std::optional<std::int64_t> shift_;  // from a node to its number
};

}  // namespace convoy::sim
