#include "platforms/fitted_device.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convoy::platforms {
namespace {

using engine::Number;

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
  return a.kind == b.kind && (!is_share(a) || a.number == b.number) &&
         (a.kind != Knob::Kind::efficiency || a.op == b.op);
}

}  // namespace

std::vector<std::string> set_fitted(Device& device, const Fit& fit, const std::string& note) {
  std::vector<std::string> kept;
  for (const Knob& place : all_knobs()) {
    const auto found = std::find_if(fit.knobs.begin(), fit.knobs.end(), [&](const Knob& k) {
      return k.fitted && same_place(k, place);
    });
    std::optional<Figure>* maybe = optional_figure(device, place);
    if (found != fit.knobs.end()) {
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

}  // namespace convoy::platforms
