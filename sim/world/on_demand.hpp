#pragma once

// A value for each node that is made when it is first asked for: a node that never works costs the
// room of a pointer. Internal to sim/world.
//
// What is made late must be what would have been made at the beginning: it may depend on the
// configuration alone.

#include <cstddef>
#include <deque>
#include <functional>
#include <utility>

#include "sim/task/by_node.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

template <class T>
class OnDemand {
 public:
  using Make = std::function<T(NodeId)>;

  OnDemand(std::size_t nodes, Make make) : make_(std::move(make)), at_(nodes, nullptr) {}

  // Made if it is not there. References stay valid.
  T& operator[](NodeId node) {
    T*& place = at_[node];
    if (place == nullptr) place = &all_.emplace_back(make_(node));
    return *place;
  }
  // The same for readers, for whom it has always been there.
  const T& operator[](NodeId node) const { return const_cast<OnDemand&>(*this)[node]; }
  // Null: nobody has asked for it.
  [[nodiscard]] const T* find(NodeId node) const { return at_[node]; }
  // As it would be made.
  [[nodiscard]] T fresh(NodeId node) const { return make_(node); }
  [[nodiscard]] std::size_t made() const { return all_.size(); }

 private:
  Make make_;
  ByNode<T*> at_;
  std::deque<T> all_;
};

}  // namespace convoy::sim
