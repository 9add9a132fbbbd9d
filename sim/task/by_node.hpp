#pragma once

// A value for each node of a fleet, by the node's number: nodes[server_node], nodes[row.node].

#include <concepts>
#include <cstddef>
#include <utility>
#include <vector>

namespace convoy::sim {

template <class T>
class ByNode : public std::vector<T> {
 public:
  using std::vector<T>::vector;
  ByNode() = default;
  ByNode(std::vector<T> all) : std::vector<T>(std::move(all)) {}

  decltype(auto) operator[](std::integral auto node) {
    return std::vector<T>::operator[](static_cast<std::size_t>(node));
  }
  decltype(auto) operator[](std::integral auto node) const {
    return std::vector<T>::operator[](static_cast<std::size_t>(node));
  }
  // Is it the number of a node? (no_node is not.)
  [[nodiscard]] bool has(std::integral auto node) const {
    return static_cast<std::size_t>(node) < this->size();
  }
};

}  // namespace convoy::sim
