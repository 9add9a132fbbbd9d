#pragma once

// Flows on links, each of which is either shared by many (a server's, an access point's) or one
// node's own: weighted max-min shares, progress and ends. Pure. Internal to sim/world.
//
// Where each own link carries one flow and each flow passes at most one shared link, the network
// falls into stars, one for each shared link, and an event costs O(log n): see StarSolver. While
// that does not hold (both directions on one half-duplex link, several flows of one node in a
// direction, two shared links on a path), each event computes all rates by filling, in O(n log n).
//
// Times are absolute, in s, and must not go back from call to call. Rates are in bytes/s.

#include <cstdint>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "base/non_copyable.hpp"
#include "sim/world/star_solver.hpp"

namespace convoy::sim {

class StarNetwork : base::NonCopyable {
 public:
  using Link = int;            // from 0
  using Flow = std::uint32_t;  // numbers of flows that have left are given again
  static constexpr double unlimited = StarSolver::unlimited;

  StarNetwork() { stars_.emplace_back(unlimited); }

  Link add_own_link(double capacity);  // finite
  Link add_shared_link(double capacity);
  void set_capacity(double now, Link link, double capacity);

  // `bytes` >= 0, `weight` > 0, `limit` >= 0 or unlimited. `path`: without duplicates, with an own
  // link or else a limit.
  Flow add(double now, double bytes, double weight, double limit, std::vector<Link> path);
  void remove(double now, Flow flow);

  // When the next flow ends if nothing changes before; unlimited: none does.
  [[nodiscard]] double next_end();
  // The flows that end by `time`, if nothing changes before; in no order. They stay until removed.
  [[nodiscard]] std::vector<Flow> ending_by(double time);

  [[nodiscard]] double rate(Flow flow);
  [[nodiscard]] double left(double now, Flow flow) const;  // bytes
  [[nodiscard]] bool is_of_stars() const { return crowded_ == 0 && wide_ == 0; }
  // How often a flow changed sides in a star, and how often all rates were computed by filling.
  [[nodiscard]] std::uint64_t moves() const;
  [[nodiscard]] std::uint64_t fillings() const { return fillings_; }

 private:
  struct LinkState {
    double capacity = 0;
    std::size_t star = 0;     // of a shared link; 0: an own link
    std::vector<Flow> flows;  // of an own link
  };
  struct FlowState {
    double weight = 1;
    double limit = 0;  // its own
    std::vector<Link> path;
    std::size_t star = 0;  // 0: of the flows without a shared link
    StarSolver::Flow place = 0;
    bool is_wide = false;  // over several shared links
    bool is_there = false;
  };

  LinkState& at(Link link) { return links_[static_cast<std::size_t>(link)]; }
  [[nodiscard]] const LinkState& at(Link link) const {
    return links_[static_cast<std::size_t>(link)];
  }
  // Its own limit and its own links'.
  [[nodiscard]] double limit_of(const FlowState& flow) const;
  // The changes of one time are settled together, before the next.
  void begin_change(double now);
  void settle();
  void fill(double now);
  void to_stars(double now);
  void touch(std::size_t star);
  void plan();

  std::vector<LinkState> links_;
  std::vector<FlowState> flows_;
  std::vector<Flow> free_;
  std::deque<StarSolver> stars_;              // 0: of the flows without a shared link
  std::vector<Link> shared_{-1};              // by star
  std::vector<std::vector<Flow>> owners_{1};  // by star and place in it
  std::vector<double> ends_{unlimited};       // by star: its next end
  std::set<std::pair<double, std::size_t>> next_ends_;
  std::vector<std::size_t> touched_;  // stars whose next end may have changed
  int crowded_ = 0;                   // own links with several flows
  int wide_ = 0;                      // flows over several shared links
  bool is_settled_ = true;
  double changed_at_ = 0;
  bool filled_ = false;    // the stars hold rates computed by filling
  bool bypassed_ = false;  // changes of this time that the stars have not been told
  std::uint64_t fillings_ = 0;
};

}  // namespace convoy::sim
