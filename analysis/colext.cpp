#include "analysis/colext.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/metrics.hpp"
#include "analysis/rounds.hpp"
#include "analysis/tables.hpp"
#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"

namespace convoy::analysis {
namespace {

// In the format of PostgreSQL, in which CoLExT stores its measurements.
std::string date(double virtual_s) {
  constexpr std::int64_t year_2000 = 946684800;  // s since 1970
  const auto micros = static_cast<std::int64_t>(std::llround(virtual_s * 1e6));
  const std::time_t seconds = year_2000 + micros / 1'000'000;
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:06}+00:00", fmt::gmtime(seconds), micros % 1'000'000);
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{}", 100 * *share) : "";
}

std::string client_info(const RunTables& run) {
  // Some versions of CoLExT's scripts call dev_type device_type.
  std::string text = "client_id,dev_type,device_name,device_type\n";
  for (const sim::NodeRow& node : run.nodes) {
    if (node.id == 0) continue;
    const std::string device = base::csv_cell(node.device);
    text += fmt::format("{},{},{},{}\n", node.id, device, base::csv_cell(node.name), device);
  }
  return text;
}

// By version: mean accuracy on the nodes' own test parts.
std::map<std::int64_t, double> distributed_accuracies(const RunTables& run) {
  std::map<std::int64_t, std::pair<double, double>> sums;  // weighted sum, sum of weights
  for (const sim::TaskRow& task : run.tasks) {
    if (!task.local_accuracy || !task.aggregated_version) continue;
    auto& [weighted, weights] = sums[*task.aggregated_version];
    weighted += *task.local_accuracy * task.samples;
    weights += task.samples;
  }
  std::map<std::int64_t, double> means;
  for (const auto& [version, sum] : sums) {
    if (sum.second > 0) means[version] = sum.first / sum.second;
  }
  return means;
}

std::string round_timings(const RunTables& run, const std::vector<Round>& rounds) {
  std::map<std::int64_t, CurvePoint> curve;
  for (const CurvePoint& p : read_curve(run)) curve[p.version] = p;
  const auto distributed = distributed_accuracies(run);
  std::string text = "round_number,stage,start_time,end_time,srv_accuracy,dist_accuracy\n";
  const auto row = [&](std::int64_t version, const char* stage, double begin, double end) {
    const auto server = curve.find(version);
    const auto clients = distributed.find(version);
    text += fmt::format("{},{},{},{},{},{}\n", version, stage, date(begin), date(end),
                        server == curve.end() ? "" : fmt::format("{}", server->second.accuracy),
                        clients == distributed.end() ? "" : fmt::format("{}", clients->second));
  };
  for (const Round& round : rounds) {
    row(round.version, "FIT", round.begin_s, round.end_s);
    const auto evaluated = curve.find(round.version);
    if (evaluated == curve.end()) continue;
    row(round.version, "EVAL", evaluated->second.time_s, evaluated->second.time_s);
  }
  return text;
}

std::string client_round_timings(const RunTables& run) {
  std::string text = "client_id,round_number,stage,start_time,end_time\n";
  for (const sim::TaskRow& task : run.tasks) {
    const bool lost = !came_in(task);
    text += fmt::format("{},{},FIT,{},{}\n", task.node,
                        task.aggregated_version.value_or(task.base_version + 1),
                        date(task.assigned_s), lost ? "" : date(task.ended_s));
  }
  return text;
}

// --- hw_metrics ---------------------------------------------------------------------------------

// A node's activity in one period.
struct Period {
  double computing_s = 0;
  double present_s = 0;
  double compute_j = 0;
  double sent = 0;
  double received = 0;
};

class Meter {
 public:
  Meter(const RunTables& run, double period_s)
      : period_s_(period_s),
        periods_(run.nodes.size(), std::vector<Period>(static_cast<std::size_t>(std::max(
                                       1.0, std::ceil(run.until_s() / period_s - 1e-9))))) {
    const double until = run.until_s();
    for (const sim::NodeRow& node : run.nodes) {
      spread(node.id, 0, until, [](Period& p, double, double part_s) { p.present_s += part_s; });
    }
    for (const Absence& a : absences(run)) {
      spread(a.node, a.begin_s, a.end_s,
             [](Period& p, double, double part_s) { p.present_s -= part_s; });
    }
    for (const Activity& a : run.activities) {
      if (!a.started()) continue;
      if (!a.is_transfer()) {
        spread(a.node, a.start_s, a.end_s, [&](Period& p, double share, double part_s) {
          p.computing_s += part_s;
          p.compute_j += share * a.energy_j;
        });
        continue;
      }
      const double bytes = a.cause == 0 ? a.bytes : 0;  // how far a lost one came nobody knows
      spread(a.node, a.start_s, a.end_s,
             [&](Period& p, double share, double) { p.sent += share * bytes; });
      spread(a.peer, a.start_s, a.end_s,
             [&](Period& p, double share, double) { p.received += share * bytes; });
    }
  }

  [[nodiscard]] const std::vector<Period>& of(std::int64_t node) const { return periods_[node]; }

 private:
  // Calls `add(period, share of the interval, seconds)` for each period that an interval overlaps.
  template <class Add>
  void spread(std::int64_t node, double begin, double end, Add add) {
    std::vector<Period>& periods = periods_[node];
    const auto place = [&](double time) {
      const double at = std::clamp(time / period_s_, 0.0, static_cast<double>(periods.size() - 1));
      return static_cast<std::size_t>(at);
    };
    const std::size_t last = place(end);
    for (std::size_t i = place(begin); i <= last; ++i) {
      const double from = std::max(begin, static_cast<double>(i) * period_s_);
      const double to = i == last ? end : std::min(end, static_cast<double>(i + 1) * period_s_);
      const double part_s = std::max(0.0, to - from);
      add(periods[i], end > begin ? part_s / (end - begin) : 1.0, part_s);
    }
  }

  double period_s_;
  sim::ByNode<std::vector<Period>> periods_;
};

void add_simulated(const RunTables& run, const Meter& meter, const sim::NodeRow& node,
                   double period_s, std::string& text) {
  const std::vector<Period>& periods = meter.of(node.id);
  // Energy not drawn by computing, divided by the time present without computing.
  std::optional<double> rest_w;
  if (!run.node_ends.empty()) {
    double rest_j = run.node_ends[node.id].energy_j;
    double rest_s = 0;
    for (const Period& p : periods) {
      rest_j -= p.compute_j;
      rest_s += std::max(0.0, p.present_s - p.computing_s);
    }
    rest_w = rest_s > 0 ? std::max(0.0, rest_j) / rest_s : 0;
  }
  double sent = 0;
  double received = 0;
  const double until = run.until_s();
  for (std::size_t i = 0; i < periods.size(); ++i) {
    const Period& p = periods[i];
    const double end = std::min(until, static_cast<double>(i + 1) * period_s);
    const double lasted = end - static_cast<double>(i) * period_s;
    if (lasted <= 0) continue;
    sent += p.sent;
    received += p.received;
    std::optional<double> power;
    if (rest_w) {
      const double rest = std::max(0.0, p.present_s - p.computing_s);
      power = (p.compute_j + *rest_w * rest) / lasted;
    }
    text += fmt::format("{},{},,{},,{:.0f},{:.0f},{},{},{}\n", node.id, date(end),
                        100 * std::min(1.0, p.computing_s / lasted), sent, received,
                        p.sent / lasted, p.received / lasted, number(power));
  }
}

void add_measured(const std::vector<sim::ReadingRow>& readings, const Meter& meter,
                  std::int64_t node, double period_s, std::string& text) {
  const std::vector<Period>& periods = meter.of(node);
  double sent = 0;
  double received = 0;
  std::size_t next = 0;
  for (const sim::ReadingRow& r : readings) {
    const auto now =
        std::min(periods.size() - 1, static_cast<std::size_t>(std::max(0.0, r.time_s) / period_s));
    for (; next <= now; ++next) {
      sent += periods[next].sent;
      received += periods[next].received;
    }
    text += fmt::format("{},{},{},{},{},{:.0f},{:.0f},{},{},{}\n", node, date(r.time_s),
                        percent(r.cpu_load), percent(r.gpu_load), number(r.memory_used_bytes), sent,
                        received, periods[now].sent / period_s, periods[now].received / period_s,
                        number(r.power_w));
  }
}

std::string hw_metrics(const RunTables& run, double period_s) {
  std::string text =
      "client_id,time,cpu_util,gpu_util,mem_util,n_bytes_sent,n_bytes_rcvd,net_usage_out,"
      "net_usage_in,power_consumption\n";
  const Meter meter(run, period_s);
  std::map<std::int64_t, std::vector<sim::ReadingRow>> readings;
  for (const sim::ReadingRow& reading : run.readings) readings[reading.node].push_back(reading);
  for (const sim::NodeRow& node : run.nodes) {
    if (node.id == 0) continue;
    const auto measured = readings.find(node.id);
    if (measured == readings.end()) {
      add_simulated(run, meter, node, period_s, text);
    } else {
      add_measured(measured->second, meter, node.id, period_s, text);
    }
  }
  return text;
}

}  // namespace

std::vector<std::filesystem::path> export_colext(const std::filesystem::path& folder_of_run,
                                                 const std::filesystem::path& folder,
                                                 const ColextOptions& options) {
  const RunTables run = read_tables(folder_of_run);
  if (run.activities.empty()) {
    throw base::UserError(
        fmt::format("{}: holds no activities, which hw_metrics is made of; run it with "
                    "output.record = \"activity\"",
                    folder_of_run.string()));
  }
  constexpr double samples = 1000;
  constexpr double least_s = 1e-6;
  constexpr double most_rows = 1e7;
  const auto nodes = static_cast<double>(run.nodes.size());
  const double shortest = run.until_s() * nodes / most_rows;  // longer periods for huge fleets
  const double period =
      std::max(least_s, options.period_s.value_or(std::max(run.until_s() / samples, shortest)));
  if (run.until_s() / period * nodes > most_rows * (1 + 1e-9)) {
    throw base::UserError(
        fmt::format("a row every {} s, of every node, are more than {:.0f} rows; "
                    "give a longer --period",
                    period, most_rows));
  }
  const std::vector<Round> rounds = read_rounds(run);
  base::make_folder(folder.string());
  std::vector<std::filesystem::path> files;
  const auto write = [&](const std::string& name, const std::string& text) {
    const std::string prefix = options.job.empty() ? "" : "colext_" + options.job + "_";
    files.push_back(folder / (prefix + name + ".csv"));
    base::write_output(files.back().string(), text, true);
  };
  const std::string timings = round_timings(run, rounds);
  write("round_timings", timings);
  write("round_metrics", timings);
  write("client_info", client_info(run));
  write("client_round_timings", client_round_timings(run));
  write("hw_metrics", hw_metrics(run, period));
  return files;
}

}  // namespace convoy::analysis
