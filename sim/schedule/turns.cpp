#include "sim/schedule/turns.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace convoy::sim {

std::size_t HowMany::of(std::size_t there) const {
  if (number) return static_cast<std::size_t>(*number);
  if (!share) return there;
  const double nodes = *share * static_cast<double>(there);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(nodes)));
}

HowMany read_how_many(base::TableReader& reader, const base::Key& key) {
  HowMany many;
  for (const bool share : reader.either<double>(key.name)) {
    // 2.0 is a number of nodes; 1.0, the last of 0.1, 0.5, 1.0, is the share of all.
    const base::Value* raw = share ? reader.raw(key.name) : nullptr;
    const double* number = raw != nullptr ? raw->as<double>() : nullptr;
    if (share && (number == nullptr || *number <= 1 || *number != std::floor(*number))) {
      many.share = reader.maybe_number(key, base::above(0).up_to(1));
    } else {
      many.number = reader.maybe_integer(key, base::at_least(1));
    }
  }
  return many;
}

HowMany read_at_work(base::TableReader& own) {
  return read_how_many(own, {"at_work",
                             "nodes that train at once: a number, or a share of the nodes present "
                             "(0.1; 1.0: all)",
                             "all present nodes"});
}

Turns::Turns(std::uint64_t seed, std::size_t nodes, HowMany limit)
    : limit_(limit), random_({seed, 0x7475726e73ULL}), nodes_(nodes), there_(nodes - 1) {}

Turns::Place Turns::place(NodeId node) {
  if (limit_.is_all()) return {0, 0, node};
  return {at(node).begun, at(node).draw, node};
}

void Turns::joined(NodeId node) {
  if (!at(node).there) ++there_;
  at(node).there = true;
}

void Turns::lost(NodeId node) {
  if (at(node).there) --there_;
  at(node).there = false;
  if (at(node).rests) --resting_;
  at(node).rests = false;
}

void Turns::rests(NodeId node) {
  Node& n = at(node);
  if (!n.there || n.rests || n.at_work) return;
  n.rests = true;
  ++resting_;
  if (!limit_.is_all()) n.draw = random_.bits();
  // Nodes that come and go would leave ever more old places.
  if (constexpr std::size_t few = 64; places_.size() > 2 * resting_ + few) {
    std::vector<Place> present;
    for (; const std::optional<Place> place = first(); places_.pop()) present.push_back(*place);
    places_ = decltype(places_)(std::greater<>(), std::move(present));
  }
  places_.push(place(node));
}

void Turns::ended(NodeId node) {
  if (!at(node).at_work) return;
  at(node).at_work = false;
  --at_work_;
}

std::optional<Turns::Place> Turns::first() {
  while (!places_.empty()) {
    const Place first = places_.top();
    const NodeId node = std::get<NodeId>(first);
    if (at(node).rests && place(node) == first) return first;
    places_.pop();
  }
  return std::nullopt;
}

std::optional<NodeId> Turns::next() {
  if (at_work_ >= limit_.of(there_)) return std::nullopt;
  const std::optional<Place> place = first();
  if (!place) return std::nullopt;
  places_.pop();
  const NodeId node = std::get<NodeId>(*place);
  Node& n = at(node);
  n.rests = false;
  --resting_;
  n.at_work = true;
  ++n.begun;
  ++at_work_;
  return node;
}

}  // namespace convoy::sim
