#include "platforms/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "base/diagnostics.hpp"
#include "platforms/leave_out.hpp"

namespace convoy::platforms {
namespace {

using engine::Kernel;
using engine::Number;
using engine::OpClass;
using engine::TimedStep;

constexpr double smallest_share = 1e-5;  // of a peak

// Where a knob turns, in the machine's own unit; what an overhead is multiplied with for seconds.
double& figure_of(const Knob& knob, Machine& m) {
  switch (knob.kind) {
    case Knob::Kind::efficiency:
      return m.efficiency.at(index_of(knob.number)).at(index_of(knob.op));
    case Knob::Kind::memory_efficiency:
      return m.memory_efficiency.at(index_of(knob.number));
    case Knob::Kind::launch_overhead:
      return m.launch_overhead;
    case Knob::Kind::dense_overhead:
      return m.dense_overhead;
    case Knob::Kind::cache:
      return m.cache;
    case Knob::Kind::cache_bandwidth:
      break;
  }
  return m.cache_bandwidth;
}

double unit_of(const Knob& knob, const Machine& m) {
  if (knob.kind == Knob::Kind::launch_overhead && m.cpu_hz > 0) return 1 / m.cpu_hz;
  if (knob.kind == Knob::Kind::dense_overhead && m.gpu_hz > 0) return 1 / m.gpu_hz;
  return 1;
}

bool is_share(const Knob& knob) {
  return knob.kind == Knob::Kind::efficiency || knob.kind == Knob::Kind::memory_efficiency;
}

double read(const Knob& knob, const Machine& machine) {
  Machine m = machine;
  return figure_of(knob, m) / unit_of(knob, machine);
}

void turn(const Knob& knob, double value, Machine& m) {
  figure_of(knob, m) = value * unit_of(knob, m);
  // TF32 uses FP32 values in memory, so it shares FP32's memory efficiency.
  if (knob.kind == Knob::Kind::memory_efficiency && knob.number == Number::fp32) {
    m.memory_efficiency.at(index_of(Number::tf32)) = value;
  }
}

// The figures on which some of the steps depend.
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

using Point = std::vector<double>;  // of the knobs, as logarithms

// Upper limits for efficiencies: 1, or for FP32 classes a known value.
using Ceilings = ByClass<double>;

class Search {
 public:
  Search(const std::vector<Observation>& observations, std::vector<Knob> knobs,
         const Ceilings& most)
      : observations_(observations), knobs_(std::move(knobs)), turned_(knobs_.size(), true) {
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
  Point found() {
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
    return best;
  }

  [[nodiscard]] double value(const Point& p, std::size_t i) const {
    const double v = std::exp(p[i]);
    return is_share(knobs_[i]) ? std::clamp(v, smallest_share, most_[i]) : v;
  }
  // After found(): true if the steps depend on this figure.
  [[nodiscard]] bool told(std::size_t i) const { return turned_[i]; }
  [[nodiscard]] const std::vector<Knob>& knobs() const { return knobs_; }

 private:
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

Ceilings no_ceilings() {
  Ceilings most{};
  most.fill(1);
  return most;
}

Fit fit_below(const std::vector<Observation>& observations, const Ceilings& most) {
  Search search(observations, knobs_of(observations), most);
  const Point p = search.found();
  Fit result;
  for (std::size_t i = 0; i < p.size(); ++i) {
    Knob knob = search.knobs()[i];
    knob.value = search.value(p, i);
    knob.fitted = search.told(i);
    result.knobs.push_back(knob);
  }
  for (const Observation& o : observations) {
    result.steps.push_back(
        {o.step.name, o.step.seconds, seconds(o.step.cost, result.on(o.machine))});
  }
  result.median_error = error_quantile(result.steps, 0.5);
  result.worst_error = error_quantile(result.steps, 1);
  return result;
}

std::vector<Observation> on_one(const std::vector<TimedStep>& steps, const Machine& machine) {
  std::vector<Observation> all;
  all.reserve(steps.size());
  for (const TimedStep& t : steps) all.push_back({t, machine});
  return all;
}

double bytes_of(const TimedStep& t) {
  double sum = 0;
  for (const Kernel& k : t.cost.kernels) sum += k.bytes;
  return sum;
}

bool is_of(const TimedStep& t, OpClass op) { return t.cost.kernels.front().op == op; }

// Starting point, from single operators.
Machine first_guess(const std::vector<TimedStep>& operators, bool launches_ahead) {
  Machine m;
  m.launches_ahead = launches_ahead;
  m.launch_overhead = std::numeric_limits<double>::infinity();
  double& peak = m.peak[index_of(Number::fp32)];
  double most = 0;
  for (const TimedStep& t : operators) {
    peak = std::max(peak, t.cost.flops() / t.seconds);
    m.launch_overhead = std::min(m.launch_overhead, t.seconds);
    if (!is_of(t, OpClass::elementwise)) continue;
    m.cache_bandwidth = std::max(m.cache_bandwidth, bytes_of(t) / t.seconds);
    if (bytes_of(t) > most) {
      most = bytes_of(t);
      m.memory_bandwidth = most / t.seconds;
    }
  }
  if (peak <= 0 || most <= 0) {
    throw base::UserError("a calibration needs a matrix product and an elementwise operator");
  }
  ByClass<double>& shares = m.efficiency[index_of(Number::fp32)];
  for (const auto& op : engine::op_class_words) {
    double fastest = 0;
    for (const TimedStep& t : operators) {
      if (is_of(t, op.value)) fastest = std::max(fastest, t.cost.flops() / t.seconds);
    }
    shares.at(index_of(op.value)) = std::clamp(fastest / peak, smallest_share, 1.0);
  }
  double& depthwise = shares[index_of(OpClass::depthwise)];
  if (depthwise == smallest_share) depthwise = shares[index_of(OpClass::convolution)];
  m.dense_overhead = m.launch_overhead;
  m.memory_efficiency.fill(0.5);  // the largest sum reaches all of it: there is nothing faster
  constexpr double usual_cache = 1 << 20;
  m.cache = usual_cache;
  return m;
}

std::string knob_name(const Knob& knob) {
  switch (knob.kind) {
    case Knob::Kind::efficiency: {
      const std::string in =
          knob.number == Number::fp32
              ? ""
              : fmt::format(" in {}", name_of(engine::number_words, knob.number));
      return fmt::format("{} efficiency{}", name_of(engine::op_class_words, knob.op), in);
    }
    case Knob::Kind::memory_efficiency:
      return knob.number == Number::fp16 ? "memory efficiency in fp16" : "memory efficiency";
    case Knob::Kind::launch_overhead:
      return "launch overhead";
    case Knob::Kind::dense_overhead:
      return "overhead of dense kernels";
    case Knob::Kind::cache:
      return "cache";
    case Knob::Kind::cache_bandwidth:
      break;
  }
  return "cache bandwidth";
}

// The figure's place in the device; null for figures of a mode.
std::optional<Figure>* optional_figure(Device& device, const Knob& knob) {
  switch (knob.kind) {
    case Knob::Kind::efficiency:
      return &device.efficiency.at(index_of(knob.number)).at(index_of(knob.op));
    case Knob::Kind::memory_efficiency:
      return &device.memory_efficiency.at(index_of(knob.number));
    case Knob::Kind::dense_overhead:
      return &device.dense_overhead;
    case Knob::Kind::cache:
      return &device.cache;
    case Knob::Kind::launch_overhead:
    case Knob::Kind::cache_bandwidth:
      break;
  }
  return nullptr;
}

// All figures of a device that a fit may find.
std::vector<Knob> all_knobs() {
  std::vector<Knob> knobs;
  for (const auto& number : engine::number_words) {
    for (const auto& op : engine::op_class_words) {
      knobs.push_back({Knob::Kind::efficiency, number.value, op.value});
    }
    knobs.push_back({Knob::Kind::memory_efficiency, number.value});
  }
  for (const auto kind : {Knob::Kind::launch_overhead, Knob::Kind::dense_overhead,
                          Knob::Kind::cache, Knob::Kind::cache_bandwidth}) {
    knobs.push_back({kind});
  }
  return knobs;
}

bool same_place(const Knob& a, const Knob& b) {
  const bool in_format =
      a.kind == Knob::Kind::efficiency || a.kind == Knob::Kind::memory_efficiency;
  return a.kind == b.kind && (!in_format || a.number == b.number) &&
         (a.kind != Knob::Kind::efficiency || a.op == b.op);
}

}  // namespace

Machine Fit::on(Machine machine) const {
  for (const Knob& knob : knobs) {
    if (knob.fitted) turn(knob, knob.value, machine);
  }
  return machine;
}

std::vector<std::string> Fit::set(Device& device, const std::string& note) const {
  std::vector<std::string> kept;
  for (const Knob& place : all_knobs()) {
    const auto found = std::find_if(knobs.begin(), knobs.end(), [&](const Knob& k) {
      return k.fitted && same_place(k, place);
    });
    std::optional<Figure>* maybe = optional_figure(device, place);
    if (found != knobs.end()) {
      Figure fitted{found->value, Origin::fitted, note};
      if (maybe != nullptr) {
        *maybe = std::move(fitted);
      } else if (place.kind == Knob::Kind::cache_bandwidth) {
        for (PowerMode& mode : device.modes) mode.cache_bandwidth = fitted;
      } else {
        device.launch_overhead = std::move(fitted);
      }
      continue;
    }
    if (maybe != nullptr && !maybe->has_value()) continue;    // follows another, or has none
    if (place.kind == Knob::Kind::cache_bandwidth) continue;  // each mode's own
    const Figure& own = maybe != nullptr ? **maybe : device.launch_overhead;
    kept.push_back(fmt::format("{} {:.4g} ({})", knob_name(place), own.value,
                               name_of(origin_words, own.origin)));
  }
  return kept;
}

double error_quantile(const std::vector<Residual>& residuals, double share) {
  std::vector<double> errors;
  errors.reserve(residuals.size());
  for (const Residual& r : residuals) errors.push_back(std::abs(r.error()));
  if (errors.empty()) return 0;
  std::sort(errors.begin(), errors.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(errors.size()));
  return errors[std::min(at, errors.size() - 1)];
}

Machine usual_machine(Machine machine) {
  constexpr double launch_s = 5e-5;
  constexpr double dense_s = 2e-5;
  machine.efficiency = {{{0.5, 0.4, 0.4, 0.01, 0.05, 0.05},
                         {0.4, 0.4, 0.4, 0.01, 0.05, 0.05},
                         {0.5, 0.5, 0.5, 0.01, 0.05, 0.05}}};
  machine.memory_efficiency.fill(0.7);
  machine.launch_overhead = launch_s;
  machine.dense_overhead = dense_s;
  return machine;
}

Fit fit(const std::vector<Observation>& observations) {
  return fit_below(observations, no_ceilings());
}

std::vector<Observation> beginning(const std::vector<Observation>& observations) {
  std::vector<Observation> from = observations;
  for (Observation& o : from) {
    const Machine usual = usual_machine(o.machine);
    o.machine = usual;
  }
  // Overheads of one device are the same number of cycles in every mode: those of the first.
  const std::vector<Knob> knobs = knobs_of(from);
  const Machine first = from.front().machine;
  for (Observation& o : from) {
    for (const Knob& knob : knobs) turn(knob, read(knob, first), o.machine);
  }
  const Fit found = fit(from);
  for (std::size_t i = 0; i < found.knobs.size(); ++i) {
    const Knob& knob = found.knobs[i];
    if (knob.fitted) continue;
    for (std::size_t k = 0; k < from.size(); ++k) {
      // The search is by logarithms: what the device does without is searched from the usual.
      const double own = read(knob, observations[k].machine);
      if (own > 0) turn(knob, own, from[k].machine);
    }
  }
  return from;
}

std::vector<Residual> leave_out(const std::vector<Observation>& observations,
                                const std::vector<std::string>& groups) {
  return each_left_out(observations, groups, fit, [](const Observation& o, const Fit& found) {
    return Residual{o.step.name, o.step.seconds, seconds(o.step.cost, found.on(o.machine))};
  });
}

Calibration calibrate(const std::vector<TimedStep>& operators, const std::vector<TimedStep>& steps,
                      bool launches_ahead) {
  Machine machine = first_guess(operators, launches_ahead);
  // Dense operators inside a step are not faster than the fastest single one of their class. (The
  // FLOPs of other classes are too approximate for such a limit.)
  Ceilings most = machine.efficiency[index_of(Number::fp32)];
  for (const auto& op : engine::op_class_words) {
    if (!engine::is_dense(op.value)) most.at(index_of(op.value)) = 1;
  }
  Calibration result;
  if (!steps.empty()) {
    const Fit found = fit_below(on_one(steps, machine), most);
    machine = found.on(machine);
    result.steps = found.steps;
    result.median_error = found.median_error;
    result.worst_error = found.worst_error;
  }
  result.machine = std::move(machine);
  return result;
}

}  // namespace convoy::platforms
