#include "sim/store/traffic_sums.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace convoy::sim {
namespace {

constexpr std::int64_t server = 0;

Way way_of(const TrafficRow& row) {
  if (row.node == server) return Way::down;
  return row.peer == server ? Way::up : Way::between;
}

// The device that a transfer is counted for.
std::int64_t device_of(const TrafficRow& row) { return row.node == server ? row.peer : row.node; }

struct DeviceBytes {
  std::int64_t device = 0;
  double bytes = 0;
};

// A sum being made, and the bytes of its devices: an entry a row, in their order.
struct Sum {
  TrafficSum sum;
  std::vector<DeviceBytes> moved;
};

// One entry for each device.
std::vector<DeviceBytes> by_device(std::vector<DeviceBytes> moved) {
  std::ranges::stable_sort(moved, {}, &DeviceBytes::device);
  std::vector<DeviceBytes> devices;
  for (const DeviceBytes& one : moved) {
    if (devices.empty() || devices.back().device != one.device) devices.push_back({one.device, 0});
    devices.back().bytes += one.bytes;
  }
  return devices;
}

TrafficSum finished(Sum made, double all_bytes) {
  TrafficSum sum = std::move(made.sum);
  const std::vector<DeviceBytes> devices = by_device(std::move(made.moved));
  sum.devices = static_cast<std::int64_t>(devices.size());
  const auto [least, most] = std::ranges::minmax_element(devices, {}, &DeviceBytes::bytes);
  sum.least_bytes = least->bytes;
  sum.most_bytes = most->bytes;
  if (all_bytes > 0) sum.share = sum.bytes / all_bytes;
  return sum;
}

}  // namespace

std::vector<TrafficSum> traffic_sums(const std::vector<TrafficRow>& rows,
                                     const std::function<std::string(std::int64_t)>& group_of) {
  // By direction, place of the kind among the rows, group.
  std::map<std::tuple<bool, std::size_t, Way, std::string>, Sum> sums;
  std::map<std::pair<std::string, std::string>, std::size_t> kinds;
  double all_bytes = 0;
  for (const TrafficRow& row : rows) {
    const std::size_t kind =
        kinds.try_emplace({row.label, row.artifact}, kinds.size()).first->second;
    const Way way = way_of(row);
    const std::int64_t device = device_of(row);
    const std::string group = group_of ? group_of(device) : "";
    Sum& sum = sums[{way == Way::down, kind, way, group}];
    sum.sum.label = row.label;
    sum.sum.artifact = row.artifact;
    sum.sum.way = way;
    sum.sum.group = group;
    sum.sum.transfers += row.transfers;
    sum.sum.bytes += row.bytes;
    sum.sum.broken_off += row.broken_off;
    sum.moved.push_back({device, row.bytes});
    all_bytes += row.bytes;
  }
  std::vector<TrafficSum> all;
  for (auto& [key, sum] : sums) all.push_back(finished(std::move(sum), all_bytes));
  return all;
}

}  // namespace convoy::sim
