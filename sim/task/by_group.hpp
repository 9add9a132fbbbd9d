#pragma once

// A value for each node, kept once for all neighbours that share it: a fleet of a million nodes in
// four groups keeps four values. Reads like a vector; a value is changed for one node alone.
//
//   ByGroup<NodeConfig> nodes;
//   nodes.push_back(server);
//   nodes.append(worker, 1'000'000);
//   nodes[7].memory = 1e9;  // node 7 now has a value of its own; the others keep theirs
//
// To look at a node takes O(log n), n: the number of groups. Copies share the values with their
// original until one of them changes.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace convoy::sim {

template <class T>
class ByGroup {
 public:
  // Neighbours that share a value: the nodes from `first` to before `end`.
  struct Group {
    std::size_t first = 0;
    std::size_t end = 0;
    const T* value = nullptr;

    [[nodiscard]] std::size_t size() const { return end - first; }
  };

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    const_iterator() = default;
    const_iterator(const ByGroup* of, std::size_t at, std::size_t group)
        : of_(of), at_(at), group_(group) {}
    reference operator*() const { return *of_->groups_[group_].value; }
    pointer operator->() const { return &**this; }
    const_iterator& operator++() {
      if (++at_ == of_->end_of(group_)) ++group_;
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) {
      return a.at_ == b.at_;
    }

   private:
    const ByGroup* of_ = nullptr;
    std::size_t at_ = 0;
    std::size_t group_ = 0;
  };
  using value_type = T;

  ByGroup() = default;
  explicit ByGroup(std::size_t nodes) { resize(nodes); }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Is it the number of a node? (no_node is not.)
  [[nodiscard]] bool has(std::integral auto node) const {
    return static_cast<std::size_t>(node) < size_;
  }

  const T& operator[](std::integral auto node) const {
    return *groups_[place(static_cast<std::size_t>(node))].value;
  }
  // To change it for this node alone. References to other nodes' values stay valid.
  T& operator[](std::integral auto node) { return own(static_cast<std::size_t>(node)); }
  [[nodiscard]] const T& front() const { return *groups_.front().value; }
  [[nodiscard]] T& front() { return own(0); }
  [[nodiscard]] const T& back() const { return *groups_.back().value; }
  [[nodiscard]] T& back() { return own(size_ - 1); }

  [[nodiscard]] const_iterator begin() const { return {this, 0, 0}; }
  [[nodiscard]] const_iterator end() const { return {this, size_, groups_.size()}; }

  void push_back(T value) { append(std::move(value), 1); }
  T& emplace_back() {
    push_back({});
    return back();
  }
  // `count` more nodes with this value.
  void append(T value, std::size_t count) {
    if (count == 0) return;
    groups_.push_back({size_, std::make_shared<T>(std::move(value))});
    size_ += count;
  }
  // One more node with the value of the last.
  void repeat_last() { ++size_; }
  // One more node, which shares the last one's value if that is equal.
  void add(T value) requires std::equality_comparable<T> {
    if (!empty() && std::as_const(*this).back() == value) {
      repeat_last();
    } else {
      push_back(std::move(value));
    }
  }
  void resize(std::size_t nodes) {
    if (nodes >= size_) {
      append({}, nodes - size_);
      return;
    }
    size_ = nodes;
    while (!groups_.empty() && groups_.back().first >= size_) groups_.pop_back();
  }

  // The same change for all, each group at once.
  template <class Change>
  void change_all(Change change) {
    for (Kept& kept : groups_) {
      if (kept.value.use_count() > 1) kept.value = std::make_shared<T>(*kept.value);
      change(*kept.value);
    }
  }

  [[nodiscard]] std::size_t group_count() const { return groups_.size(); }
  [[nodiscard]] Group group(std::size_t number) const {
    return {groups_[number].first, end_of(number), groups_[number].value.get()};
  }
  // The group of a node.
  [[nodiscard]] Group group_of(std::integral auto node) const {
    return group(place(static_cast<std::size_t>(node)));
  }

 private:
  struct Kept {
    std::size_t first = 0;
    std::shared_ptr<T> value;
  };

  [[nodiscard]] std::size_t end_of(std::size_t group) const {
    return group + 1 < groups_.size() ? groups_[group + 1].first : size_;
  }
  [[nodiscard]] std::size_t place(std::size_t node) const {
    if (groups_.size() == size_) return node;
    const auto next = std::upper_bound(groups_.begin(), groups_.end(), node,
                                       [](std::size_t n, const Kept& k) { return n < k.first; });
    return static_cast<std::size_t>(next - groups_.begin()) - 1;
  }

  T& own(std::size_t node) {
    std::size_t at = place(node);
    const std::size_t first = groups_[at].first;
    const std::size_t end = end_of(at);
    if (end - first > 1) {
      // The neighbours keep the value where it is.
      const std::shared_ptr<T> value = groups_[at].value;
      const auto where = groups_.begin() + static_cast<std::ptrdiff_t>(at);
      std::vector<Kept> parts;
      if (first < node) parts.push_back({first, value});
      at += parts.size();
      parts.push_back({node, std::make_shared<T>(*value)});
      if (node + 1 < end) parts.push_back({node + 1, value});
      *where = parts.front();
      groups_.insert(where + 1, parts.begin() + 1, parts.end());
    } else if (groups_[at].value.use_count() > 1) {
      groups_[at].value = std::make_shared<T>(*groups_[at].value);
    }
    return *groups_[at].value;
  }

  std::vector<Kept> groups_;
  std::size_t size_ = 0;
};

}  // namespace convoy::sim
