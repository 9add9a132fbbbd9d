#include "platforms/fit_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "platforms/roofline.hpp"

namespace convoy::platforms {
namespace {

using engine::Kernel;
using engine::Number;
using engine::OpClass;
using engine::TimedStep;

using Point = std::vector<double>;  // of the knobs, as logarithms

class Search {
 public:
  Search(const std::vector<Observation>& observations, const Ceilings& most)
      : observations_(observations), knobs_(knobs_of(observations)), turned_(knobs_.size(), true) {
    for (const Knob& knob : knobs_) {
      origin_.push_back(std::log(read(knob, observations.front().machine)));
      const bool known = knob.kind == Knob::Kind::efficiency && knob.number == Number::fp32;
      most_.push_back(known ? most.at(index_of(knob.op)) : 1);
    }
    for (const Observation& o : observations) {
      const auto found = std::find_if(machines_.begin(), machines_.end(), [&](const Machine& m) {
        return m.device == o.machine.device && m.mode == o.machine.mode;
      });
      machine_of_.push_back(static_cast<std::size_t>(found - machines_.begin()));
      if (found == machines_.end()) machines_.push_back(o.machine);
    }
    own_machines_ = machines_;
  }

  // Searches from several starting points, since there are local minima. Figures on which the steps
  // do not depend keep each machine's value; the others are then searched again.
  std::vector<Knob> found() {
    Point best = from_several_beginnings();
    std::vector<bool> told;
    for (std::size_t i = 0; i < knobs_.size(); ++i) told.push_back(is_told(best, i));
    turned_ = told;
    for (std::size_t i = 0; i < knobs_.size(); ++i) {
      if (!told[i]) best[i] = origin_[i];
    }
    do {
      machines_ = own_machines_;
      descend(best);
    } while (turns_more(best));
    for (std::size_t i = 0; i < knobs_.size(); ++i) {
      knobs_[i].value = value(best, i);
      knobs_[i].fitted = turned_[i];
    }
    return knobs_;
  }

 private:
  [[nodiscard]] double value(const Point& p, std::size_t i) const {
    const double v = std::exp(p[i]);
    return is_share(knobs_[i]) ? std::clamp(v, smallest_share, most_[i]) : v;
  }

  Point from_several_beginnings() {
    Point best = origin_;
    double least = std::numeric_limits<double>::infinity();
    const std::size_t launch = place(Knob::Kind::launch_overhead);
    const std::size_t cache = place(Knob::Kind::cache);
    for (const double overhead : {1.0, 5.0}) {
      for (const double size : {1.0, 8.0}) {
        if (size > 1 && cache == knobs_.size()) continue;
        Point p = origin_;
        p[launch] += std::log(overhead);
        if (cache < knobs_.size()) p[cache] += std::log(size);
        const double l = descend(p);
        if (l >= least) continue;
        least = l;
        best = p;
      }
    }
    return best;
  }

  // A figure without effect at its start may have one now that the others are fitted. True: more
  // figures take part in the search.
  bool turns_more(const Point& p) {
    bool more = false;
    for (std::size_t i = 0; i < knobs_.size(); ++i) {
      if (turned_[i]) continue;
      turned_[i] = true;
      turned_[i] = is_told(p, i);
      machines_ = own_machines_;
      more = more || turned_[i];
    }
    return more;
  }

  // True if a small change of the figure changes the steps' costs.
  bool is_told(const Point& p, std::size_t i) {
    constexpr double stride = 0.2;
    constexpr double worth_telling = 1e-5;
    const double here = of_steps(p);
    Point q = p;
    for (const double s : {stride, -stride}) {
      q[i] = p[i] + s;
      if (std::abs(of_steps(q) - here) > worth_telling) return true;
    }
    return false;
  }

  [[nodiscard]] std::size_t place(Knob::Kind kind) const {
    std::size_t i = 0;
    while (i < knobs_.size() && knobs_[i].kind != kind) ++i;
    return i;
  }

  // Small errors count by their square, large ones linearly. A very weak pull to the origin matters
  // only if the steps do not determine a figure.
  double loss(const Point& p) {
    constexpr double pull = 1e-3;
    double sum = of_steps(p);
    for (std::size_t i = 0; i < p.size(); ++i) {
      sum += pull * (p[i] - origin_[i]) * (p[i] - origin_[i]);
    }
    return sum;
  }

  double of_steps(const Point& p) {
    constexpr double small = 0.05;
    for (std::size_t i = 0; i < knobs_.size(); ++i) {
      if (!turned_[i]) continue;
      for (Machine& m : machines_) turn(knobs_[i], value(p, i), m);
    }
    double sum = 0;
    for (std::size_t i = 0; i < observations_.size(); ++i) {
      const TimedStep& t = observations_[i].step;
      const double error = std::log(seconds(t.cost, machines_[machine_of_[i]]) / t.seconds);
      sum += std::sqrt(error * error + small * small) - small;
    }
    return sum / static_cast<double>(observations_.size());
  }

  // Tries each figure up and down, and each pair in opposite directions, with smaller and smaller
  // steps.
  double descend(Point& p) {
    constexpr double first = 1.0;
    constexpr double last = 0.004;
    constexpr double worth_it = 1e-8;
    double best = loss(p);
    for (double stride = first; stride > last;) {
      bool moved = false;
      const auto attempt = [&](std::size_t i, double up, std::size_t j, double down) {
        Point q = p;
        q[i] += up;
        q[j] -= down;
        const double l = loss(q);
        if (!(l < best - worth_it)) return;
        best = l;
        p = std::move(q);
        moved = true;
      };
      for (std::size_t i = 0; i < p.size(); ++i) {
        if (!turned_[i]) continue;
        for (const double s : {stride, -stride}) {
          attempt(i, s, i, 0);
          for (std::size_t j = 0; j < p.size(); ++j) {
            if (j != i && turned_[j]) attempt(i, s, j, s);
          }
        }
      }
      if (!moved) stride /= 2;
    }
    return best;
  }

  const std::vector<Observation>& observations_;
  std::vector<Knob> knobs_;
  std::vector<double> most_;  // of each knob that is a share
  std::vector<bool> turned_;  // by knob; the others stay as each machine has them
  Point origin_;
  std::vector<Machine> machines_;        // one for each mode
  std::vector<Machine> own_machines_;    // the same as they were
  std::vector<std::size_t> machine_of_;  // by observation
};

}  // namespace

std::vector<Knob> knobs_of(const std::vector<Observation>& observations) {
  std::set<std::pair<Number, OpClass>> computed;
  std::set<Number> moved;
  bool dense = false;
  bool cache = false;
  for (const Observation& o : observations) {
    cache = cache || o.machine.cache > 0;
    for (const Kernel& k : o.step.cost.kernels) {
      dense = dense || engine::is_dense(k.op);
      moved.insert(k.number == Number::tf32 ? Number::fp32 : k.number);
      if (k.flops > 0) computed.insert({o.machine.number_of(k), k.op});
    }
  }
  std::vector<Knob> knobs;
  knobs.reserve(computed.size() + moved.size() + 1);
  for (const auto& [number, op] : computed) {
    knobs.push_back({Knob::Kind::efficiency, number, op});
  }
  for (const Number number : moved) knobs.push_back({Knob::Kind::memory_efficiency, number});
  knobs.push_back({Knob::Kind::launch_overhead});
  if (dense) knobs.push_back({Knob::Kind::dense_overhead});
  if (cache) {
    knobs.push_back({Knob::Kind::cache});
    knobs.push_back({Knob::Kind::cache_bandwidth});
  }
  return knobs;
}

std::vector<Knob> search(const std::vector<Observation>& observations, const Ceilings& most) {
  return Search(observations, most).found();
}

}  // namespace convoy::platforms
