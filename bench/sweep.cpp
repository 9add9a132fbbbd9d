// Sweeps: the cost of a point beyond its run, and the gain by a second worker; the speed of trace
// imports. Exit status 1 if a bound is missed.

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "bench/child.hpp"
#include "bench/report.hpp"
#include "platforms/traces/import.hpp"
#include "sim/run/run.hpp"

namespace convoy::bench {
namespace {

constexpr const char* scenario = R"(
name = "sweep-bench"
[fleet.mix]
nodes = 16
shares = { jetson-nano = 1, jetson-agx-orin-64gb = 1 }
each = { link = "wifi5", jitter = 0.1 }
[model]
architecture = "resnet18-cifar"
[training]
batch = 8
[schedule]
kind = "fedavg"
[stop]
rounds = 50
)";
constexpr const char* points = R"([sweep]
"fleet.mix.shares.jetson-nano" = [0, 1, 3, 7]
"schedule.kind" = ["fedavg", "cos2p"]
repetitions = 25
)";
constexpr int point_count = 200;

using Clock = std::chrono::steady_clock;

// Runs one point as a sweep does, in a process that has everything loaded.
double one_run(const std::filesystem::path& folder, const std::string& schedule, int nanos) {
  return in_child([&] {
           base::Diagnostics problems;
           const auto read =
               sim::read_scenario_text(scenario, "s.toml",
                                       {{"schedule.kind", schedule},
                                        {"fleet.mix.shares.jetson-nano", std::to_string(nanos)}},
                                       problems);
           if (!read) throw std::runtime_error(problems.str());
           sim::RunOptions options;
           options.folder = folder / "one";
           options.mode = sim::StoreMode::overwrite;
           options.durable = false;
           const auto start = Clock::now();
           sim::run(*read, options);
           return seconds_since(start);
         })
      .seconds;
}

void sweeps(const std::filesystem::path& folder, int repetitions) {
  std::ofstream(folder / "s.toml") << scenario << points;
  std::vector<double> runs;
  std::vector<double> one;
  std::vector<double> two;
  for (int i = 0; i < repetitions; ++i) {
    double sum = 0;
    for (const int nanos : {0, 1, 3, 7}) {
      for (const char* schedule : {"fedavg", "cos2p"}) sum += one_run(folder, schedule, nanos);
    }
    runs.push_back(sum / 8);
    for (const int jobs : {1, 2}) {
      const auto out = folder / fmt::format("out-{}", jobs);
      std::filesystem::remove_all(out);
      const Measured m =
          command(fmt::format("{} sweep {} -o {} -j {} --quiet > /dev/null", CONVOY_BINARY,
                              (folder / "s.toml").string(), out.string(), jobs));
      (jobs == 1 ? one : two).push_back(m.seconds);
    }
  }
  fmt::print(
      "Sweep of {} points, 16 nodes x 50 rounds: a run {:.1f} ms, -j 1 {:.2f} s, -j 2 {:.2f} s\n",
      point_count, 1e3 * median(runs), median(one), median(two));
  report("  a point over the run itself, -j 1", 1e3 * (median(one) / point_count - median(runs)),
         "ms", 20);
  report_at_least("  gain by the second worker", median(one) / median(two), "x", 1.8);
}

void imports() {
  const auto rate = [](const char* what, const std::string& text, auto import) {
    const auto start = Clock::now();
    import(text);
    report_at_least(fmt::format("import of {}", what),
                    static_cast<double>(text.size()) / 1e6 / seconds_since(start), "MB/s", 50);
  };
  constexpr int lines = 1'000'000;
  std::string own = "time_s,speed,power_w\n";
  std::string mahimahi;
  std::string gnettrack =
      "Timestamp,Longitude,Latitude,Speed,Operatorname,CellID,DL_bitrate,UL_bitrate,State\n";
  std::string power;
  std::string tegrastats;
  for (int i = 0; i < lines; ++i) {
    own += fmt::format("{}.5,0.{},12.{}\n", i, i % 97, i % 89);
    mahimahi += fmt::format("{}\n", i / 3);
    const int s = i % 86'400;
    const std::string clock = fmt::format("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
    const int day = 1 + i / 86'400;
    gnettrack += fmt::format("2020.02.{:02}_{:02}.{:02}.{:02},0,0,0,B,11,{},{},D\n", day, s / 3600,
                             s / 60 % 60, s % 60, i % 90'000, i % 9'000);
    power += fmt::format(
        "Time,08-{:02}-2021 {}.652,Watts,8.{},Volts,119.6,Amps,0.1704,PF,0.4067,Mark,x\n", day,
        clock, i % 997);
    if (i % 4 == 0) {
      tegrastats += fmt::format(
          "10-{:02}-2025 {} RAM 2274/6834MB (lfb 27x4MB) SWAP 542/3417MB (cached 2MB) CPU "
          "[99%@1189,100%@1188,100%@1189,98%@1189,off,off] EMC_FREQ 0% GR3D_FREQ 22% AUX@36.5C "
          "CPU@40C thermal@37.85C AO@37.5C GPU@38C PMIC@50C VDD_IN 5542mW/5542mW VDD_CPU_GPU_CV "
          "1594mW/1594mW VDD_SOC 1234mW/1234mW\n",
          day, clock);
    }
  }
  using namespace platforms;
  rate("Convoy's own traces", own, [](const std::string& t) { parse_trace(t, "t.csv"); });
  rate("mahimahi", mahimahi,
       [](const std::string& t) { import_mahimahi(t, "t.up", Column::up_bps, 0.1); });
  rate("G-NetTrack", gnettrack, [](const std::string& t) { import_gnettrack(t, "t.csv"); });
  rate("MLPerf power logs", power, [](const std::string& t) { import_mlperf_power(t, "t.csv"); });
  rate("tegrastats", tegrastats, [](const std::string& t) { import_tegrastats(t, "t.log", 1); });
}

}  // namespace
}  // namespace convoy::bench

int main() {
  using namespace convoy::bench;
  return run_all("convoy_sweep_bench", [](const std::filesystem::path& folder) {
    sweeps(folder, 3);
    imports();
  });
}
