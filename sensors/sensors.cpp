#include "sensors/sensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/diagnostics.hpp"
#include "sensors/ina3221.hpp"
#include "sensors/jetson_names.hpp"
#include "sensors/meters.hpp"
#include "sensors/tegrastats_process.hpp"

namespace convoy::sensors {
namespace {

void check(const SensorOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(options.root, ignored)) {
    throw base::UserError(options.root.string() + ": is no folder to look for sensors in");
  }
  if (options.interval.count() <= 0) {
    throw base::UserError(
        fmt::format("the sensors' interval is {} ms; give one above 0", options.interval.count()));
  }
}

// Each takes one quantity from a line of tegrastats; false if the line lacks it.
bool take_power(const TegrastatsLine& line, SensorReading& reading) {
  reading.power_w = line.power_w();
  return reading.power_w.has_value();
}

bool take_temperature(const TegrastatsLine& line, SensorReading& reading) {
  reading.temperature_c = line.temperature_c();
  return reading.temperature_c.has_value();
}

bool take_cpu_load(const TegrastatsLine& line, SensorReading& reading) {
  reading.cpu_load = line.cpu_load();
  return reading.cpu_load.has_value();
}

bool take_gpu_load(const TegrastatsLine& line, SensorReading& reading) {
  reading.gpu_load = line.gpu_load;
  return reading.gpu_load.has_value();
}

bool take_memory(const TegrastatsLine& line, SensorReading& reading) {
  reading.memory_used_bytes = line.ram_used_bytes;
  reading.memory_total_bytes = line.ram_total_bytes;
  return reading.memory_used_bytes.has_value();
}

struct Quantity {
  std::string name;
  Found found;  // in the kernel's files
  bool (*take)(const TegrastatsLine&, SensorReading&) = nullptr;
};

}  // namespace

class Sensors::Impl {
 public:
  explicit Impl(const SensorOptions& options)
      : power_(options.root),
        thermometer_(options.root),
        cpu_(options.root),
        gpu_(options.root),
        memory_(options.root),
        quantities_({{"power", power_.found(), take_power},
                     {"temperature", thermometer_.found(), take_temperature},
                     {"CPU load", cpu_.found(), take_cpu_load},
                     {"GPU load", gpu_.found(), take_gpu_load},
                     {"memory", memory_.found(), take_memory}}),
        program_(options.tegrastats_program) {
    const bool complete = std::all_of(quantities_.begin(), quantities_.end(),
                                      [](const Quantity& q) { return !q.found.where.empty(); });
    if (complete) return;
    if (options.tegrastats) {
      tegrastats_ = TegrastatsProcess::start(program_, options.interval, no_tegrastats_);
    } else {
      no_tegrastats_ = program_ + " is not to be run";
    }
  }

  [[nodiscard]] SensorReading read() {
    SensorReading reading;
    reading.power_w = power_.read_w();
    reading.temperature_c = thermometer_.read_c();
    reading.cpu_load = cpu_.read();
    reading.gpu_load = gpu_.read();
    if (const std::optional<Memory> memory = memory_.read()) {
      reading.memory_used_bytes = memory->used_bytes;
      reading.memory_total_bytes = memory->total_bytes;
    }
    const std::optional<TegrastatsLine> line = tegrastats_ ? tegrastats_->last() : std::nullopt;
    if (!line) return reading;
    // Quantities with a source of their own do not use tegrastats.
    for (const Quantity& quantity : quantities_) {
      if (quantity.found.where.empty()) quantity.take(*line, reading);
    }
    return reading;
  }

  [[nodiscard]] std::vector<SensorSource> sources() const {
    std::vector<SensorSource> sources;
    for (const auto& place : places()) {
      if (!place.where.empty()) sources.push_back({place.quantity, place.where});
    }
    return sources;
  }

  [[nodiscard]] std::vector<std::string> missing() const {
    std::vector<std::string> texts;
    for (const auto& place : places()) {
      if (place.where.empty()) {
        texts.push_back(fmt::format("{}: {}", place.quantity, place.problem));
      }
    }
    return texts;
  }

 private:
  struct Place {
    std::string quantity;
    std::string where;  // "": the quantity is missing
    std::string problem;
  };

  [[nodiscard]] std::vector<Place> places() const {
    std::string problem = no_tegrastats_;
    std::optional<TegrastatsLine> line;
    if (tegrastats_) {
      problem = tegrastats_->problem();
      line = tegrastats_->last();
    }
    std::vector<Place> places;
    for (const Quantity& quantity : quantities_) {
      Place place{quantity.name, quantity.found.where, quantity.found.problem};
      if (place.where.empty()) {
        SensorReading ignored;
        if (!problem.empty()) {
          place.problem += " and " + problem;
        } else if (line && !quantity.take(*line, ignored)) {
          place.problem += fmt::format(", and {} does not print it", program_);
        } else {
          place.where = program_ + (line && quantity.take == take_power ? total_in(*line) : "");
        }
      }
      places.push_back(std::move(place));
    }
    return places;
  }

  // " VDD_IN (module)"
  static std::string total_in(const TegrastatsLine& line) {
    std::vector<std::string> names;
    for (const NamedValue& rail : line.rails_w) names.push_back(rail.name);
    const std::optional<TotalRails> total = total_rails(names);
    if (!total) return "";
    std::vector<std::string> parts;
    for (const std::size_t rail : total->rails) parts.push_back(names[rail]);
    return fmt::format(" {} ({})", fmt::join(parts, " + "), total->scope);
  }

  PowerSensor power_;
  Thermometer thermometer_;
  CpuMeter cpu_;
  GpuMeter gpu_;
  MemoryMeter memory_;
  std::vector<Quantity> quantities_;
  std::string program_;
  std::string no_tegrastats_;  // why tegrastats does not run
  std::unique_ptr<TegrastatsProcess> tegrastats_;
};

Sensors::Sensors(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Sensors::~Sensors() = default;

std::unique_ptr<Sensors> Sensors::open(const SensorOptions& options) {
  check(options);
  return std::make_unique<Sensors>(std::make_unique<Impl>(options));
}

SensorReading Sensors::read() { return impl_->read(); }

std::vector<SensorSource> Sensors::sources() const { return impl_->sources(); }

std::vector<std::string> Sensors::missing() const { return impl_->missing(); }

}  // namespace convoy::sensors
