#include "platforms/validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "platforms/power_fit.hpp"
#include "platforms/roofline.hpp"

namespace convoy::platforms {
namespace {

using Metric = Measurement::Metric;

constexpr std::size_t fewest_models = 5;
constexpr std::size_t fewest_modes = 2;

template <class Prediction>
ErrorSummary summary(const std::vector<const ValidatedRow*>& rows, Prediction ValidatedRow::*of) {
  std::vector<Residual> residuals;
  for (const ValidatedRow* r : rows) {
    if (const std::optional<double> p = r->*of) residuals.push_back({"", r->row.value, *p});
  }
  return {residuals.size(), error_quantile(residuals, 0.5), error_quantile(residuals, 0.9),
          error_quantile(residuals, 1)};
}

std::vector<std::string> of_each(const std::vector<ValidatedRow>& rows,
                                 std::string Measurement::*what) {
  std::vector<std::string> all;
  all.reserve(rows.size());
  for (const ValidatedRow& r : rows) all.push_back(r.row.*what);
  return all;
}

std::size_t kinds(const std::vector<std::string>& all) {
  return std::set<std::string>(all.begin(), all.end()).size();
}

void add_left_out(std::vector<ValidatedRow>& rows, const std::vector<Residual>& left_out,
                  std::optional<double> ValidatedRow::*into) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (left_out[i].measured > 0) rows[i].*into = left_out[i].predicted;
  }
}

void validate_times(ValidatedGroup& group, const std::vector<Machine>& machines) {
  std::vector<Observation> observations;
  for (std::size_t i = 0; i < group.rows.size(); ++i) {
    ValidatedRow& r = group.rows[i];
    observations.push_back(observed(r.row, machines[i]));
    r.predicted = seconds(observations.back().step.cost, machines[i]);
  }
  const auto models = of_each(group.rows, &Measurement::model);
  const auto modes = of_each(group.rows, &Measurement::mode);
  if (kinds(models) < fewest_models) return;
  const std::vector<Observation> from = beginning(observations);
  add_left_out(group.rows, leave_out(from, models), &ValidatedRow::without_model);
  if (kinds(modes) >= fewest_modes) {
    add_left_out(group.rows, leave_out(from, modes), &ValidatedRow::without_mode);
  }
  std::vector<std::string> batches;
  for (const ValidatedRow& r : group.rows) batches.push_back(std::to_string(r.row.batch));
  if (kinds(batches) < fewest_modes) return;
  add_left_out(group.rows, leave_out(from, batches), &ValidatedRow::without_batch);
}

void validate_draws(ValidatedGroup& group, const std::vector<Machine>& machines) {
  std::vector<DrawObservation> observations;
  for (std::size_t i = 0; i < group.rows.size(); ++i) {
    ValidatedRow& r = group.rows[i];
    const Observation o = observed(r.row, machines[i]);
    observations.push_back({r.row.model, o.step.cost, machines[i], r.row.value});
    r.predicted = predict(o.step.cost, machines[i]).watts;
  }
  const auto models = of_each(group.rows, &Measurement::model);
  const auto modes = of_each(group.rows, &Measurement::mode);
  const bool clocks = std::ranges::all_of(machines, [](const Machine& m) { return m.gpu_hz > 0; });
  if (!clocks || kinds(modes) < fewest_modes) return;
  add_left_out(group.rows, leave_out(observations, modes), &ValidatedRow::without_mode);
  if (kinds(models) < fewest_modes) return;
  add_left_out(group.rows, leave_out(observations, models), &ValidatedRow::without_model);
}

void validate(ValidatedGroup& group, const std::vector<Machine>& machines) {
  Measurements used;
  for (const ValidatedRow& r : group.rows) used.rows.push_back(r.row);
  require_agreement(used);
  switch (group.metric) {
    case Metric::step_time:
      validate_times(group, machines);
      break;
    case Metric::power:
      validate_draws(group, machines);
      break;
    case Metric::idle_power:
      for (std::size_t i = 0; i < group.rows.size(); ++i) {
        group.rows[i].predicted = machines[i].idle_w;
      }
      break;
  }
  std::vector<const ValidatedRow*> rows;
  for (const ValidatedRow& r : group.rows) rows.push_back(&r);
  static_cast<RowErrors&>(group) = errors_of(rows);
}

}  // namespace

RowErrors errors_of(const std::vector<const ValidatedRow*>& rows) {
  return {summary(rows, &ValidatedRow::predicted), summary(rows, &ValidatedRow::without_model),
          summary(rows, &ValidatedRow::without_mode), summary(rows, &ValidatedRow::without_batch)};
}

Observation observed(const Measurement& row, const Machine& machine) {
  return {{row.model, step_of(row), row.value, 0}, machine};
}

Validation validate(Measurements measurements, Catalogue& catalogue) {
  Validation all;
  all.unused = std::move(measurements.unused);
  struct Group {
    ValidatedGroup checked;
    std::vector<Machine> machines;
  };
  std::map<std::pair<std::string, Metric>, Group> groups;
  const auto names = Catalogue::device_names();
  for (Measurement& row : measurements.rows) {
    const auto unused = [&](std::string reason) {
      all.unused.push_back(
          {row.place, fmt::format("{} {} {}", row.device, row.mode, row.model), std::move(reason)});
    };
    const bool known =
        Catalogue::is_path(row.device) || std::ranges::find(names, row.device) != names.end();
    const auto own = measurements.devices.find(row.device);
    const bool came_along = !known && own != measurements.devices.end();
    const Device* device = came_along ? &own->second : nullptr;
    if (known) device = catalogue.device(row.device);
    if (device == nullptr) {
      unused("no such device in the catalogue");
      continue;
    }
    const PowerMode* mode = device->mode(row.mode);
    if (mode == nullptr) {
      unused(row.mode.empty() ? "its mode is not stated"
                              : "the device has no such mode; it has " +
                                    base::list_of(device->mode_names(), "and"));
      continue;
    }
    if (!computes(*mode, row.precision)) {
      unused("the device has no half precision in its file");
      continue;
    }
    Group& group = groups[{device->name, row.metric}];
    group.checked.device = device->name + (came_along ? ", by its own profile" : "");
    group.checked.metric = row.metric;
    group.machines.push_back(machine(*device, *mode));
    group.checked.rows.push_back({std::move(row), 0, {}, {}});
  }
  for (auto& [key, group] : groups) {
    validate(group.checked, group.machines);
    all.groups.push_back(std::move(group.checked));
  }
  return all;
}

}  // namespace convoy::platforms
