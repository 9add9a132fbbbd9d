#include "sim/plan/split_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

using base::human_bytes;

bool is_amount(double x) { return std::isfinite(x) && x >= 0; }

void require_valid_cut(const SplitDevice& device, std::size_t index) {
  const Cut& cut = device.cuts[index];
  const std::pair<const char*, double> figures[] = {
      {"device_s", cut.device_s},
      {"server_s", cut.server_s},
      {"bytes", cut.bytes},
      {"messages", cut.messages},
      {"device_bytes", cut.device_bytes},
      {"server_bytes", cut.server_bytes},
      {"weight_bytes", cut.weight_bytes},
  };
  for (const auto& [name, value] : figures) {
    require("split plan", is_amount(value),
            fmt::format("device {}, {}: {} is {}, must be at least 0 and finite", device.name,
                        cut_name(device, index), name, value));
  }
}

std::string memory_text(double bytes) { return human_bytes(bytes, 1); }

// The cut that exceeds the device's memory least.
std::string too_large(const SplitDevice& device) {
  const auto least =
      std::min_element(device.cuts.begin(), device.cuts.end(),
                       [](const Cut& a, const Cut& b) { return a.device_bytes < b.device_bytes; });
  return fmt::format("device {} has {}; its nearest cut, {}, needs {} ({} too much)", device.name,
                     memory_text(device.memory_bytes),
                     cut_name(device, static_cast<std::size_t>(least - device.cuts.begin())),
                     memory_text(least->device_bytes),
                     memory_text(least->device_bytes - device.memory_bytes));
}

// The one cut that was chosen by hand.
std::vector<std::size_t> chosen(const SplitDevice& device, std::size_t cut) {
  require("split plan", cut < device.cuts.size(),
          fmt::format("device {} has no cut {}; it has cuts 0 to {}", device.name, cut,
                      device.cuts.size() - 1));
  const double needed = device.cuts[cut].device_bytes;
  if (needed <= device.memory_bytes) return {cut};
  std::string nearest = "; none of its cuts fits";
  double distance = std::numeric_limits<double>::infinity();
  for (std::size_t other = 0; other < device.cuts.size(); ++other) {
    const double away = std::abs(static_cast<double>(other) - static_cast<double>(cut));
    if (device.cuts[other].device_bytes > device.memory_bytes || away >= distance) continue;
    distance = away;
    nearest = fmt::format("; the nearest that fits is {}", cut_name(device, other));
  }
  throw base::UserError(fmt::format("split plan: device {}: {} needs {}, the device has {}{}",
                                    device.name, cut_name(device, cut), memory_text(needed),
                                    memory_text(device.memory_bytes), nearest));
}

std::vector<std::size_t> fitting(const SplitDevice& device) {
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 0; cut < device.cuts.size(); ++cut) {
    if (device.cuts[cut].device_bytes <= device.memory_bytes) cuts.push_back(cut);
  }
  return cuts;
}

std::vector<std::vector<std::size_t>> cuts_that_fit(const SplitProblem& problem,
                                                    const HandMadeCuts& by_hand) {
  std::vector<std::vector<std::size_t>> cuts;
  std::string problems;
  for (std::size_t i = 0; i < problem.devices.size(); ++i) {
    const bool is_chosen = i < by_hand.size() && by_hand[i];
    cuts.push_back(is_chosen ? chosen(problem.devices[i], *by_hand[i])
                             : fitting(problem.devices[i]));
    if (!cuts.back().empty()) continue;
    problems += (problems.empty() ? "" : "; ") + too_large(problem.devices[i]);
  }
  require("split plan", problems.empty(),
          fmt::format("no cut fits a device's memory: {}. Give it a smaller "
                      "batch or a smaller model, or leave it out",
                      problems));
  return cuts;
}

// The changes of cut that free the most memory at the server, until the rest fits.
std::string what_to_move(const SplitProblem& problem, const HandMadeCuts& by_hand, double excess) {
  struct Move {
    double saved = 0;
    std::string text;
  };
  std::vector<Move> moves;
  for (std::size_t i = 0; i < problem.devices.size(); ++i) {
    if (i >= by_hand.size() || !by_hand[i]) continue;
    const SplitDevice& device = problem.devices[i];
    const auto bytes = [&](std::size_t cut) { return device.cuts[cut].server_bytes; };
    std::size_t best = *by_hand[i];
    for (const std::size_t cut : fitting(device)) {
      if (bytes(cut) < bytes(best)) best = cut;
    }
    if (best == *by_hand[i]) continue;
    const double saved = bytes(*by_hand[i]) - bytes(best);
    moves.push_back({saved, fmt::format("device {} to {} (frees {})", device.name,
                                        cut_name(device, best), memory_text(saved))});
  }
  std::stable_sort(moves.begin(), moves.end(),
                   [](const Move& a, const Move& b) { return a.saved > b.saved; });
  std::string text;
  for (const Move& move : moves) {
    if (excess <= 0) break;
    text += (text.empty() ? "move " : ", ") + move.text;
    excess -= move.saved;
  }
  if (excess <= 0) return text;
  return (text.empty() ? "" : text + ", and ") +
         fmt::format("leave devices out, or give the server {} more", memory_text(excess));
}

void require_server_memory(const SplitProblem& problem, const HandMadeCuts& by_hand,
                           const SplitOptions& options) {
  double least = 0;
  for (const auto& device : options.devices) {
    least += std::min_element(device.begin(), device.end(), [](const auto& a, const auto& b) {
               return a.server_bytes < b.server_bytes;
             })->server_bytes;
  }
  if (least <= options.server_bytes) return;
  throw base::UserError(fmt::format(
      "split plan: the server has {}, and the devices' parts there need at least {}: {}",
      memory_text(options.server_bytes), memory_text(least),
      what_to_move(problem, by_hand, least - options.server_bytes)));
}

}  // namespace

std::string cut_name(const SplitDevice& device, std::size_t cut) {
  const std::string& name = device.cuts[cut].name;
  return name.empty() ? fmt::format("cut {}", cut) : fmt::format("cut {} ({})", cut, name);
}

Demand demand_of(const SplitProblem& problem, std::size_t device, std::size_t cut) {
  const SplitDevice& d = problem.devices[device];
  const Cut& c = d.cuts[cut];
  const double own = problem.server_is_shared ? 0 : c.server_s;
  return {.fixed_s = c.device_s + c.messages * d.latency_s + own,
          .bytes = c.bytes,
          .server_s = c.server_s - own,
          .limit = std::min(d.link_bytes_per_s, problem.bandwidth_bytes_per_s)};
}

void require_valid(const SplitProblem& problem) {
  require("split plan", !problem.devices.empty(), "there are no devices");
  require("split plan",
          is_amount(problem.bandwidth_bytes_per_s) && problem.bandwidth_bytes_per_s > 0,
          fmt::format("the bandwidth is {} bytes/s, must be above 0 and finite",
                      problem.bandwidth_bytes_per_s));
  require("split plan", problem.server_memory_bytes >= 0,
          fmt::format("the server's memory is {} bytes", problem.server_memory_bytes));
  for (const SplitDevice& device : problem.devices) {
    require("split plan", !device.cuts.empty(), fmt::format("device {} has no cuts", device.name));
    require("split plan", device.memory_bytes >= 0,
            fmt::format("device {}: its memory is {} bytes", device.name, device.memory_bytes));
    require(
        "split plan", device.link_bytes_per_s > 0,
        fmt::format("device {}: its link has {} bytes/s", device.name, device.link_bytes_per_s));
    require("split plan", is_amount(device.latency_s),
            fmt::format("device {}: its link's latency is {} s", device.name, device.latency_s));
    for (std::size_t cut = 0; cut < device.cuts.size(); ++cut) require_valid_cut(device, cut);
  }
}

SplitOptions options_of(const SplitProblem& problem, const HandMadeCuts& by_hand) {
  require_valid(problem);
  require("split plan", by_hand.empty() || by_hand.size() == problem.devices.size(),
          fmt::format("{} cuts were given for {} devices", by_hand.size(), problem.devices.size()));
  SplitOptions options{.bandwidth = problem.bandwidth_bytes_per_s,
                       .server_is_shared = problem.server_is_shared,
                       .server_bytes = problem.server_memory_bytes};
  const auto cuts = cuts_that_fit(problem, by_hand);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    auto& device = options.devices.emplace_back();
    for (const std::size_t cut : cuts[i]) {
      device.push_back(
          {cut, demand_of(problem, i, cut), problem.devices[i].cuts[cut].server_bytes});
    }
  }
  require_server_memory(problem, by_hand, options);
  return options;
}

std::vector<Demand> demands_of(const SplitOptions& options, const Choice& choice) {
  std::vector<Demand> demands;
  for (std::size_t i = 0; i < choice.size(); ++i) {
    demands.push_back(options.devices[i][choice[i]].demand);
  }
  return demands;
}

double server_bytes_of(const SplitOptions& options, const Choice& choice) {
  double sum = 0;
  for (std::size_t i = 0; i < choice.size(); ++i) {
    sum += options.devices[i][choice[i]].server_bytes;
  }
  return sum;
}

bool fits_server(const SplitOptions& options, const Choice& choice) {
  return server_bytes_of(options, choice) <= options.server_bytes;
}

}  // namespace convoy::sim
