#include "platforms/calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "base/diagnostics.hpp"

namespace convoy::platforms {
namespace {

using engine::Kernel;
using engine::OpClass;
using engine::TimedStep;

// What is searched for, each as a logarithm: efficiencies by class, then these.
enum Figures : std::size_t {
  memory_efficiency = engine::op_classes,
  launch_overhead,
  dense_overhead,
  cache,  // this and the next only where the start has one

  cache_bandwidth,
  figures,
};
using Point = std::array<double, figures>;

constexpr double smallest_share = 1e-5;  // of a peak

double bytes_of(const TimedStep& t) {
  double sum = 0;
  for (const Kernel& k : t.cost.kernels) sum += k.bytes;
  return sum;
}

bool is_of(const TimedStep& t, OpClass op) { return t.cost.kernels.front().op == op; }

// Where the search begins.
Machine first_guess(const std::vector<TimedStep>& operators, bool launches_ahead) {
  Machine m;
  m.launches_ahead = launches_ahead;
  m.launch_overhead = std::numeric_limits<double>::infinity();
  double most = 0;
  for (const TimedStep& t : operators) {
    m.peak_fp32 = std::max(m.peak_fp32, t.cost.flops() / t.seconds);
    m.launch_overhead = std::min(m.launch_overhead, t.seconds);
    if (!is_of(t, OpClass::elementwise)) continue;
    m.cache_bandwidth = std::max(m.cache_bandwidth, bytes_of(t) / t.seconds);
    if (bytes_of(t) > most) {
      most = bytes_of(t);
      m.memory_bandwidth = most / t.seconds;
    }
  }
  if (m.peak_fp32 <= 0 || most <= 0) {
    throw base::UserError("a calibration needs a matrix product and an elementwise operator");
  }
  for (std::size_t i = 0; i < m.efficiency.size(); ++i) {
    double fastest = 0;
    for (const TimedStep& t : operators) {
      if (is_of(t, static_cast<OpClass>(i))) {
        fastest = std::max(fastest, t.cost.flops() / t.seconds);
      }
    }
    m.efficiency.at(i) = std::clamp(fastest / m.peak_fp32, smallest_share, 1.0);
  }
  m.dense_overhead = m.launch_overhead;
  m.memory_efficiency = 0.5;  // the largest sum reaches all of it: there is nothing faster
  constexpr double usual_cache = 1 << 20;
  m.cache = usual_cache;
  return m;
}

Point point_of(const Machine& m) {
  Point p{};
  for (std::size_t i = 0; i < m.efficiency.size(); ++i) p.at(i) = std::log(m.efficiency.at(i));
  p[memory_efficiency] = std::log(m.memory_efficiency);
  p[launch_overhead] = std::log(m.launch_overhead);
  p[dense_overhead] = std::log(m.dense_overhead);
  if (m.cache <= 0) return p;
  p[cache] = std::log(m.cache);
  p[cache_bandwidth] = std::log(m.cache_bandwidth);
  return p;
}

// Shares of a peak stay below it; `most`: those of the dense classes.
using Ceilings = std::array<double, engine::op_classes>;

void set(Machine& m, const Point& p, const Ceilings& most) {
  for (std::size_t i = 0; i < m.efficiency.size(); ++i) {
    m.efficiency.at(i) = std::clamp(std::exp(p.at(i)), smallest_share, most.at(i));
  }
  m.memory_efficiency = std::clamp(std::exp(p[memory_efficiency]), smallest_share, 1.0);
  m.launch_overhead = std::exp(p[launch_overhead]);
  m.dense_overhead = std::exp(p[dense_overhead]);
  if (m.cache <= 0) return;
  m.cache = std::exp(p[cache]);
  m.cache_bandwidth = std::exp(p[cache_bandwidth]);
}

class Search {
 public:
  Search(const std::vector<TimedStep>& steps, Machine start, Precision precision,
         const Ceilings& most)
      : steps_(steps),
        machine_(std::move(start)),
        precision_(precision),
        most_(most),
        origin_(point_of(machine_)),
        searched_(machine_.cache > 0 ? figures : cache) {}

  // Small errors count by their square, large ones in proportion. The pull back to the origin is so
  // weak that it tells only where the steps do not.
  double loss(const Point& p) {
    constexpr double small = 0.05;
    constexpr double pull = 1e-3;
    set(machine_, p, most_);
    double sum = 0;
    for (const TimedStep& t : steps_) {
      const double error = std::log(seconds(t.cost, machine_, precision_) / t.seconds);
      sum += std::sqrt(error * error + small * small) - small;
    }
    sum /= static_cast<double>(steps_.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      sum += pull * (p.at(i) - origin_.at(i)) * (p.at(i) - origin_.at(i));
    }
    return sum;
  }

  // Tries each figure up and down, and each two against each other (what one takes the other
  // gives), with smaller and smaller strides.
  double descend(Point& p) {
    constexpr double first = 1.0;
    constexpr double last = 0.004;
    double best = loss(p);
    for (double stride = first; stride > last;) {
      bool moved = false;
      const auto attempt = [&](std::size_t i, double up, std::size_t j, double down) {
        Point q = p;
        q.at(i) += up;
        q.at(j) -= down;
        const double l = loss(q);
        if (l >= best) return;
        best = l;
        p = q;
        moved = true;
      };
      for (std::size_t i = 0; i < searched_; ++i) {
        for (const double s : {stride, -stride}) {
          attempt(i, s, i, 0);
          for (std::size_t j = 0; j < searched_; ++j) {
            if (j != i) attempt(i, s, j, s);
          }
        }
      }
      if (!moved) stride /= 2;
    }
    return best;
  }

  // From several beginnings, since there are hollows.
  Machine found() {
    Point best = origin_;
    double least = std::numeric_limits<double>::infinity();
    for (const double overhead : {1.0, 5.0}) {
      for (const double size : {1.0, 8.0}) {
        if (size > 1 && searched_ == cache) continue;
        Point p = origin_;
        p[launch_overhead] += std::log(overhead);
        if (searched_ > cache) p[cache] += std::log(size);
        const double l = descend(p);
        if (l >= least) continue;
        least = l;
        best = p;
      }
    }
    set(machine_, best, most_);
    return machine_;
  }

 private:
  const std::vector<TimedStep>& steps_;
  Machine machine_;
  Precision precision_;
  Ceilings most_;
  Point origin_;
  std::size_t searched_;  // figures, the first of all
};

Calibration judged(const std::vector<TimedStep>& steps, Machine machine, Precision precision) {
  Calibration result;
  result.machine = std::move(machine);
  for (const TimedStep& t : steps) {
    result.steps.push_back({t.name, t.seconds, seconds(t.cost, result.machine, precision)});
  }
  result.median_error = error_quantile(result.steps, 0.5);
  result.worst_error = error_quantile(result.steps, 1);
  return result;
}

}  // namespace

Machine usual_machine(Machine machine) {
  machine.efficiency = {0.5, 0.5, 0.5, 0.05, 0.05};
  machine.memory_efficiency = 0.7;
  machine.launch_overhead = 5e-5;
  machine.dense_overhead = 2e-5;
  return machine;
}

namespace {

bool same(double a, double b) { return std::abs(a / b - 1) <= 1e-6; }

// Each figure of `found` that stayed at `start`.
void for_unmoved(const Machine& start, const Machine& found,
                 const std::function<void(double Machine::*)>& single,
                 const std::function<void(std::size_t)>& of_class) {
  for (double Machine::*figure :
       {&Machine::launch_overhead, &Machine::dense_overhead, &Machine::memory_efficiency}) {
    if (same(found.*figure, start.*figure)) single(figure);
  }
  for (std::size_t i = 0; i < found.efficiency.size(); ++i) {
    if (same(found.efficiency.at(i), start.efficiency.at(i))) of_class(i);
  }
}

}  // namespace

Machine beginning(const std::vector<TimedStep>& steps, const Machine& device, Precision precision) {
  const Machine usual = usual_machine(device);
  const Machine found = fit(steps, usual, precision).machine;
  Machine start = usual;
  for_unmoved(
      usual, found,
      [&](double Machine::*figure) {
        // The search is by logarithms: what the device does without is searched from the usual.
        if (device.*figure > 0) start.*figure = device.*figure;
      },
      [&](std::size_t i) { start.efficiency.at(i) = device.efficiency.at(i); });
  return start;
}

std::vector<std::string> set_fitted(Device& device, const Machine& start, const Machine& found,
                                    const std::string& note) {
  constexpr auto elementwise = static_cast<std::size_t>(engine::OpClass::elementwise);
  constexpr auto pooling = static_cast<std::size_t>(engine::OpClass::pooling);
  const Device base = device;
  const auto fitted = [&](double value) { return Figure{value, Origin::fitted, note}; };
  device.launch_overhead = fitted(found.launch_overhead);
  device.dense_overhead = fitted(found.dense_overhead);
  device.memory_efficiency = fitted(found.memory_efficiency);
  for (std::size_t i = 0; i < found.efficiency.size(); ++i) {
    device.efficiency.at(i) = fitted(found.efficiency.at(i));
  }
  // A file without it takes that of elementwise.
  device.pooling_given = true;
  std::vector<std::string> kept;
  const auto keep = [&](const std::string& what, const Figure& figure) {
    kept.push_back(fmt::format("{} {:.4g} ({})", what, figure.value, name_of(figure.origin)));
  };
  for_unmoved(
      start, found,
      [&](double Machine::*figure) {
        if (figure == &Machine::launch_overhead) {
          device.launch_overhead = base.launch_overhead;
          keep("launch overhead", base.launch_overhead);
        } else if (figure == &Machine::memory_efficiency) {
          device.memory_efficiency = base.memory_efficiency;
          keep("memory efficiency", base.memory_efficiency);
        } else {
          device.dense_overhead = base.dense_overhead;
          if (base.dense_overhead) keep("overhead of dense kernels", *base.dense_overhead);
        }
      },
      [&](std::size_t i) {
        device.efficiency.at(i) = base.efficiency.at(i);
        const bool follows = i == pooling && !base.pooling_given;
        if (follows && device.efficiency.at(elementwise).value == base.efficiency.at(i).value) {
          device.pooling_given = false;
        }
        if (!follows || device.pooling_given)
          keep(std::string(class_keys.at(i)) + " efficiency", base.efficiency.at(i));
      });
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

Calibration fit(const std::vector<TimedStep>& steps, const Machine& start, Precision precision) {
  Ceilings most{};
  most.fill(1);
  return judged(steps, Search(steps, start, precision, most).found(), precision);
}

std::vector<Residual> leave_one_out(const std::vector<TimedStep>& steps, const Machine& start,
                                    Precision precision) {
  std::vector<Residual> all;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::vector<TimedStep> others = steps;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    const Machine machine = fit(others, start, precision).machine;
    all.push_back({steps[i].name, steps[i].seconds, seconds(steps[i].cost, machine, precision)});
  }
  return all;
}

Calibration calibrate(const std::vector<TimedStep>& operators, const std::vector<TimedStep>& steps,
                      bool launches_ahead) {
  Machine machine = first_guess(operators, launches_ahead);
  // No dense operator inside a step is faster than the fastest of its class on its own. (Of the
  // other classes the FLOPs are counted too loosely to say so.)
  Ceilings most = machine.efficiency;
  for (std::size_t i = 0; i < most.size(); ++i) {
    if (!engine::is_dense(static_cast<OpClass>(i))) most.at(i) = 1;
  }
  if (!steps.empty()) {
    machine = Search(steps, machine, Precision::fp32, most).found();
  }
  return judged(steps, std::move(machine), Precision::fp32);
}

}  // namespace convoy::platforms
