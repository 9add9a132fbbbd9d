// Tests the importers of other programs' traces: hand-made samples of every format, real files if
// available, and faulty input.

#include "platforms/traces/import.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <iostream>
#include <random>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "platforms/traces/signal.hpp"
#include "tests/support/files.hpp"

namespace convoy::platforms {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::filesystem::path samples = CONVOY_SOURCE "/../shared/data/traces";

template <class Work>
void expect_error(Work work, const std::string& message) {
  EXPECT_THAT(work, ThrowsMessage<base::UserError>(HasSubstr(message)));
}

// Bytes that pass in [0, until) by a column in bit/s.
double bytes(const Trace& trace, Column column, double until) {
  return Signal(std::make_shared<const Trace>(trace), column, {.loop = true}, 0)
             .integral(0, until) /
         8;
}

// --- our own ------------------------------------------------------------------------------------

TEST(Traces, OurOwnFormatIsReadAndWrittenAlike) {
  const Trace trace =
      parse_trace("# a remark\ntime_s,speed,power_w\n5,1,\n6.5,,3.25\n7,0.5,4\n", "t.csv");
  EXPECT_THAT(trace.time, ElementsAre(0, 1.5, 2));
  EXPECT_THAT(trace.of(Column::speed), ElementsAre(1, 1, 0.5));
  EXPECT_THAT(trace.of(Column::power_w), ElementsAre(3.25, 3.25, 4));
  EXPECT_FALSE(trace.has(Column::available));
  const Trace again = parse_trace(to_csv(trace), "t.csv");
  EXPECT_EQ(again.time, trace.time);
  EXPECT_EQ(again.values, trace.values);
}

TEST(Traces, WhatIsWrongIsNamedWithItsLine) {
  const auto reading = [](const char* text) { return [=] { parse_trace(text, "t.csv"); }; };
  expect_error(reading(""), "t.csv: is empty");
  expect_error(reading("time_s,speed\n"), "t.csv: has a heading, but no row");
  expect_error(reading("t,speed\n0,1\n"), "no time_s");
  expect_error(reading("time_s,sped\n0,1\n"), "unknown column \"sped\"; did you mean \"speed\"?");
  expect_error(reading("time_s,speed,speed\n0,1,1\n"), "t.csv:1: column \"speed\" is there twice");
  expect_error(reading("time_s,speed\n0,1\n1\n"), "t.csv:3: has 1 cells, the heading has 2");
  expect_error(reading("time_s,speed\n0,1\n2,1\n1,1\n"),
               "t.csv:4: time_s: 1 does not come after 2");
  expect_error(reading("time_s,speed\n0,1\n0,1\n"), "t.csv:3: time_s: 0 does not come after 0");
  expect_error(reading("time_s,speed\n-1,1\n"), "t.csv:2: time_s: -1");
  expect_error(reading("time_s,speed\n,1\n"), "t.csv:2: time_s: is missing");
  expect_error(reading("time_s,speed\n0,nan\n"), "t.csv:2: speed: \"nan\" is no finite number");
  expect_error(reading("time_s,speed\n0,1e999\n"), "no finite number");
  expect_error(reading("time_s,speed\n0,-0.5\n"), "t.csv:2: speed: -0.5 is out of range");
  expect_error(reading("time_s,available\n0,0.5\n"), "expected 0 or 1");
  expect_error(reading("time_s,latency_s\n0,5000\n"), "expected seconds from 0 to 3600");
  expect_error(reading("time_s,power_w\n0,5542 mW\n"), "\"5542 mW\" is no finite number");
  expect_error([] { read_trace("/nowhere/t.csv"); }, "/nowhere/t.csv: cannot be read");
}

TEST(Traces, AMillionLinesAreRead) {
  std::string text = "time_s,speed\n";
  for (int i = 0; i < 1'000'000; ++i) text += fmt::format("{},{}\n", i, i % 7 / 4.0);
  EXPECT_EQ(parse_trace(text, "t.csv").time.size(), 1'000'000);
}

// --- signals ------------------------------------------------------------------------------------

Signal signal_of(const std::string& csv, const TraceUse& use) {
  return {std::make_shared<const Trace>(parse_trace(csv, "t.csv")), Column::speed, use, 1};
}

TEST(Signals, HoldTheirValuesAndSayUntilWhen) {
  const Signal s = signal_of("time_s,speed\n0,3\n10,5\n", {});
  EXPECT_EQ(s.at(0).value, 3);
  EXPECT_EQ(s.at(0).until, 10);
  EXPECT_EQ(s.at(10).value, 5);
  EXPECT_TRUE(std::isinf(s.at(10).until));
  EXPECT_DOUBLE_EQ(s.integral(5, 12), 25);
  EXPECT_EQ(s.highest(), 5);
}

TEST(Signals, RepeatFromAPartOnWithAPhase) {
  // The used part, from 10 to 30: 5 until 20, then 2.
  const Signal s =
      signal_of("time_s,speed\n0,9\n10,5\n20,2\n40,7\n",
                {.start_s = 100, .from_s = 10, .to_s = 30, .phase_s = 15, .loop = true});
  EXPECT_EQ(s.at(50).value, 1);
  EXPECT_EQ(s.at(50).until, 100);
  EXPECT_EQ(s.at(100).value, 2);
  EXPECT_DOUBLE_EQ(s.at(100).until, 105);
  EXPECT_EQ(s.at(105).value, 5);
  EXPECT_DOUBLE_EQ(s.at(105).until, 115);
  EXPECT_DOUBLE_EQ(s.integral(0, 100), 100);
  EXPECT_NEAR(s.integral(105, 105 + 20 * 50 + 10), 50 * 70 + 50, 1e-9);
  EXPECT_EQ(s.highest(), 5);
}

TEST(Signals, BehindACutTheLastValueBeforeItStays) {
  std::string csv = "time_s,speed\n";
  for (int i = 0; i < 4000; ++i) csv += fmt::format("{},{}\n", i, (i + 1) / 8.0);
  const Signal s = signal_of(csv, {.from_s = 3600, .to_s = 3660});
  EXPECT_EQ(s.at(59.5).value, 457.5);
  EXPECT_EQ(s.at(60).value, 457.5);
  EXPECT_EQ(s.at(1e6).value, 457.5);
}

TEST(Signals, AlwaysMoveOn) {
  const Signal s = signal_of("time_s,speed\n0,1\n0.1,2\n0.3,3\n", {.loop = true});
  double t = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Signal::Step step = s.at(t);
    ASSERT_GT(step.until, t);
    t = step.until;
  }
  EXPECT_NEAR(t, 50'000 * 0.3, 1e-6);
}

TEST(Signals, UsesThatDoNotFitAreNamed) {
  const Trace t = parse_trace("time_s,speed\n0,1\n10,2\n", "t.csv");
  EXPECT_EQ(check(t, {}), "");
  EXPECT_THAT(check(t, {.from_s = 11}), HasSubstr("ends at 10 s"));
  EXPECT_THAT(check(t, {.from_s = 5, .to_s = 5}), HasSubstr("must come after"));
  EXPECT_THAT(check(t, {.from_s = 10, .loop = true}), HasSubstr("less than"));
  EXPECT_THAT(check(t, {.to_s = 1e-6, .loop = true}), HasSubstr("less than"));
  const Trace dead = parse_trace("time_s,speed\n0,1\n10,0\n20,0\n30,1\n", "t.csv");
  EXPECT_THAT(check(dead, {.from_s = 10, .to_s = 25, .loop = true}),
              HasSubstr("speed is 0 in all"));
  EXPECT_EQ(check(dead, {.loop = true}), "");
}

// --- mahimahi -----------------------------------------------------------------------------------

TEST(Mahimahi, BinsHoldWhatTheirMomentsAllow) {
  // Three in the first 100 ms, none in the second, two in the last 50 ms, one of them at the very
  // end.
  const Trace t = import_mahimahi("0\n5\n99\n210\n250\n", "a.down", Column::down_bps, 0.1);
  EXPECT_THAT(t.time, ElementsAre(0, 0.1, 0.2, 0.25));
  EXPECT_DOUBLE_EQ(bytes(t, Column::down_bps, 0.25), 5 * 1500);
  EXPECT_DOUBLE_EQ(bytes(t, Column::down_bps, 0.1), 3 * 1500);
  EXPECT_DOUBLE_EQ(t.of(Column::down_bps)[1], 0);
}

TEST(Mahimahi, WhatIsWrongIsNamedWithItsLine) {
  const auto reading = [](const char* text) {
    return [=] { import_mahimahi(text, "a.up", Column::up_bps, 0.1); };
  };
  expect_error(reading("0\n7\n3\n"), "a.up:3: 3 ms comes before 7 ms");
  expect_error(reading("0\nseven\n"), "a.up:2: \"seven\" is no time");
  expect_error(reading("0\n-4\n"), "a.up:2: -4");
  expect_error(reading("0.5\n"), "whole milliseconds");
  expect_error(reading("\n\n"), "nothing can pass");
  expect_error(reading("0\n0\n"), "nothing can pass");
}

// Delivery opportunities in [0, 60 s) of the original, repeated as mahimahi does.
double original_bytes(const std::string& file, double until_ms) {
  std::vector<double> moments;
  const std::string text = base::read_text_file(file);
  base::Lines lines(text);
  for (std::string_view line; lines.next(line);) {
    if (!line.empty()) moments.push_back(base::parse_number(line));
  }
  double count = 0;
  for (double pass = 0; pass < until_ms; pass += moments.back()) {
    for (const double m : moments) count += pass + m < until_ms ? 1 : 0;
  }
  return 1500 * count;
}

TEST(Mahimahi, RealLinksMoveWhatTheOriginalAllows) {
  if (!std::filesystem::exists(samples)) GTEST_SKIP() << "no samples at " << samples;
  for (const char* name : {"ATT-LTE-driving-2016", "Verizon-LTE-short"}) {
    const std::string base = (samples / "mahimahi" / name).string();
    const Trace t = import_trace({.format = "mahimahi", .files = {base + ".down", base + ".up"}});
    for (const auto& [column, ending] :
         {std::pair{Column::down_bps, ".down"}, {Column::up_bps, ".up"}}) {
      for (const double s : {60.0, 300.0}) {
        const double original = original_bytes(base + ending, 1000 * s);
        EXPECT_NEAR(bytes(t, column, s), original, 0.01 * original) << name << ending << " " << s;
      }
    }
  }
}

// --- G-NetTrack ---------------------------------------------------------------------------------

TEST(GNetTrack, RowsOfOneSecondAreAveraged) {
  const Trace t = import_gnettrack(
      "Timestamp,DL_bitrate,UL_bitrate,State\n2020.02.14_13.21.59,100,10,D\n"
      "2020.02.14_13.22.00,200,20,D\n2020.02.14_13.22.00,300,40,D\n2020.02.14_13.22.02,-,-,D\n"
      "2020.02.14_13.22.03,50,5,D\n",
      "g.csv");
  EXPECT_THAT(t.of(Column::down_bps), ElementsAre(100e3, 250e3, 50e3, 50e3));
  EXPECT_THAT(t.of(Column::up_bps), ElementsAre(10e3, 30e3, 5e3, 5e3));
  EXPECT_THAT(t.time[1] - t.time[0], 1);
  ASSERT_EQ(t.remarks.size(), 3U);
  EXPECT_THAT(t.remarks[0], HasSubstr("1 row(s) share a second"));
  EXPECT_THAT(t.remarks[1], HasSubstr("1 row(s) without a bitrate"));
  EXPECT_THAT(t.remarks[2], HasSubstr("not what its link could carry"));
}

TEST(GNetTrack, ADirectionThatOnlyAcknowledgedIsWarnedOf) {
  const auto remark = [](double down, double up) {
    return import_gnettrack(fmt::format("Timestamp,DL_bitrate,UL_bitrate\n"
                                        "2020.02.14_13.21.59,{},{}\n",
                                        down, up),
                            "g.csv")
        .remarks.back();
  };
  EXPECT_THAT(remark(20000, 57), HasSubstr("leave up_bps out"));
  EXPECT_THAT(remark(20000, 57), HasSubstr("only = [\"down_bps\"]"));
  EXPECT_THAT(remark(57, 20000), HasSubstr("only = [\"up_bps\"]"));
  EXPECT_THAT(remark(20000, 5000), testing::Not(HasSubstr("leave")));
}

TEST(GNetTrack, WhatIsWrongIsNamedWithItsLine) {
  const std::string heading = "Timestamp,DL_bitrate,UL_bitrate\n";
  const auto reading = [&](const std::string& rows) {
    return [text = heading + rows] { import_gnettrack(text, "g.csv"); };
  };
  expect_error(reading(""), "has no row");
  expect_error(reading("yesterday,1,1\n"), "g.csv:2: Timestamp: is no date");
  expect_error(reading("2020.02.14_13.22.00,-5,1\n"), "g.csv:2: DL_bitrate: -5000 is out of range");
  expect_error(reading("2020.02.14_13.22.00,5 Mbit,1\n"), "\"5 Mbit\" is no finite number");
  expect_error([] { import_gnettrack("a,b\n1,2\n", "g.csv"); }, "Timestamp, DL_bitrate and");
}

TEST(GNetTrack, RealDrivesMoveWhatTheOriginalAllows) {
  if (!std::filesystem::exists(samples)) GTEST_SKIP() << "no samples at " << samples;
  for (const char* name : {"static-1", "driving-1", "driving-2"}) {
    const std::string file = (samples / "gnettrack-5g" / (std::string(name) + ".csv")).string();
    const Trace t = import_trace({.format = "gnettrack", .files = {file}});
    // From the original, second by second: the mean of a second's rows holds until the next second
    // with rows.
    const std::string text = base::read_text_file(file);
    base::CsvReader csv(text, file);
    std::vector<std::pair<int, std::vector<double>>> seconds;
    while (csv.next()) {
      const std::string_view stamp = csv.cell(csv.column("Timestamp"));
      const auto part = [&](std::size_t at) {
        return static_cast<int>(base::parse_number(stamp.substr(at, 2)));
      };
      const int second = part(11) * 3600 + part(14) * 60 + part(17);
      if (seconds.empty() || seconds.back().first != second) seconds.push_back({second, {}});
      seconds.back().second.push_back(csv.number(csv.column("DL_bitrate")));
    }
    double original = 0;
    for (std::size_t i = 0; i + 1 < seconds.size(); ++i) {
      const int from = seconds[i].first - seconds[0].first;
      const int to = std::min(seconds[i + 1].first - seconds[0].first, 60);
      double sum = 0;
      for (const double kbps : seconds[i].second) sum += kbps;
      if (from < 60)
        original += sum / static_cast<double>(seconds[i].second.size()) * 125 * (to - from);
    }
    EXPECT_NEAR(bytes(t, Column::down_bps, 60), original, 0.01 * original) << name;
  }
}

// --- power and tegrastats -----------------------------------------------------------------------

TEST(MlperfPower, NegativeReadingsOfAnIdleMeterAreRepaired) {
  const Trace t = import_mlperf_power(
      "Time,08-10-2021 23:59:59.500,Watts,-0.25,Volts,119\n"
      "Time,08-11-2021 00:00:00.500,Watts,8.5,Volts,119\n"
      "Time,08-11-2021 00:00:10.500,Watts,9,Volts,119\n"
      "Time,08-11-2021 00:00:11.500,Watts,7,Volts,119\n",
      "p.csv");
  EXPECT_THAT(t.of(Column::power_w), ElementsAre(0, 8.5, 9, 7));
  EXPECT_DOUBLE_EQ(t.time[1] - t.time[0], 1);
  ASSERT_EQ(t.remarks.size(), 3U);
  EXPECT_THAT(t.remarks[0], HasSubstr("1 negative reading"));
  EXPECT_THAT(t.remarks[1], HasSubstr("the longest 10.0 s"));
}

// One bad line in a hundred counts as torn, wherever it is cut; more mean another kind of file.
TEST(Imports, OneTornLineStopsNone) {
  std::string watts;
  std::string rates = "Timestamp,DL_bitrate,UL_bitrate,State\n";
  for (int i = 0; i < 40; ++i) {
    const std::string line =
        fmt::format("Time,08-10-2021 05:01:{:02}.000 PM,Watts,5.25,Volts,119", i);
    const std::string row = fmt::format("2020.02.14_13.21.{:02},100,10,D", i);
    watts += (i == 20 ? line.substr(17) : line) + "\n";
    rates += (i == 20 ? row.substr(0, 15) : row) + "\n";
  }
  const Trace power = import_mlperf_power(watts, "p.csv");
  EXPECT_EQ(power.time.size(), 39U);
  EXPECT_THAT(power.remarks, testing::Contains(HasSubstr("1 line(s) that cannot be read (torn?)")));
  EXPECT_THAT(power.remarks, testing::Contains(HasSubstr("p.csv:21: ")));
  const Trace link = import_gnettrack(rates, "g.csv");
  EXPECT_EQ(link.time.size(), 40U);  // plus the end of the last second
  EXPECT_THAT(link.remarks, testing::Contains(HasSubstr("g.csv:22: has 1 cells")));
  expect_error([&] { import_mlperf_power(watts + "x\n", "p.csv"); }, "p.csv:21");
  // A date that only the other order could read also counts as torn.
  std::string dates;
  for (int i = 0; i < 40; ++i) {
    dates += fmt::format("Time,{}-2021 17:01:{:02},Watts,5\n", i == 20 ? "18-10" : "08-25", i);
  }
  EXPECT_EQ(import_mlperf_power(dates, "p.csv").time.size(), 39U);
  // It does not change the order of the other dates, if these could be read either way.
  for (std::size_t at; (at = dates.find("08-25")) != std::string::npos;) {
    dates.replace(at, 5, "08-10");
  }
  EXPECT_EQ(import_mlperf_power(dates, "p.csv").time.size(), 39U);
}

TEST(MlperfPower, WhatIsWrongIsNamedWithItsLine) {
  const auto reading = [](const char* text) { return [=] { import_mlperf_power(text, "p.csv"); }; };
  expect_error(reading(""), "has no line");
  expect_error(reading("Time,08-10-2021 17:01:45,Volts,1\n"),
               "p.csv:1: \"Time,DATE,Watts,NUMBER\"");
  expect_error(reading("Time,13-40-2021 17:01:45,Watts,1\n"), "is no date");
  expect_error(reading("Time,08-10-2021 17:01:45,Watts,nan\n"), "\"nan\" is no finite number");
  expect_error(reading("Time,08-10-2021 17:01:45,Watts,-500\n"), "-500 is out of range");
}

TEST(TegrastatsTrace, OfSeveralReleases) {
  const Trace dated = import_tegrastats(
      "10-01-2025 20:05:55 RAM 2274/6834MB CPU [99%@1189,off] GPU@38C VDD_IN 5542mW/5542mW\n"
      "10-01-2025 20:05:56 RAM 2303/6834MB CPU [99%@1189,off] GPU@39.5C VDD_IN 5600mW/5571mW\n"
      "10-01-2025 20:05:56 RAM 2303/6834MB CPU [99%@1189,off] GPU@40C VDD_IN 5700mW/5571mW\n",
      "t.log", 1, true);
  EXPECT_THAT(dated.of(Column::power_w), ElementsAre(5.542, 5.6, 5.7));
  EXPECT_THAT(dated.of(Column::temperature_c), ElementsAre(38, 39.5, 40));
  EXPECT_DOUBLE_EQ(dated.of(Column::memory_free_bytes)[0], (6834.0 - 2274) * 1024 * 1024);
  EXPECT_DOUBLE_EQ(dated.time[1] - dated.time[0], 1);
  EXPECT_DOUBLE_EQ(dated.time[2] - dated.time[0], 1.5) << "two lines of one second are spread";

  const Trace old = import_tegrastats(
      "RAM 1345/3956MB (lfb 1290x4MB) CPU [2%@345,off] GPU@41C POM_5V_IN 2003/2658\n"
      "something else\n"
      "RAM 1346/3956MB (lfb 1290x4MB) CPU [2%@345,off] GPU@42C POM_5V_IN 2100/2658\n",
      "t.log", 0.5);
  EXPECT_THAT(old.time, ElementsAre(0, 0.5));
  EXPECT_THAT(old.of(Column::power_w), ElementsAre(2.003, 2.1));
  EXPECT_THAT(old.remarks, testing::Contains(HasSubstr("1 line(s) of something else")));
}

TEST(TegrastatsTrace, WhatIsWrongIsNamed) {
  expect_error([] { import_tegrastats("hello\n", "t.log", 1); }, "no line of tegrastats");
  expect_error(
      [] {
        import_tegrastats(
            "10-01-2025 20:05:55 RAM 1/2MB GPU@1C\nRAM 1/2MB GPU@1C\nRAM 1/2MB GPU@1C\n", "t.log",
            1);
      },
      "2 of 3 lines have no date");
}

// One line of a log: row i draws 1 + i / 1000 W.
std::string tegrastats_line(std::size_t i) {
  return fmt::format(
      "RAM {}/6834MB (lfb 27x4MB) SWAP 5/3417MB (cached 2MB) CPU [9%@1189,off] EMC_FREQ 0% "
      "GR3D_FREQ 10% AUX@36C CPU@40C GPU@38C PMIC@50C VDD_IN {}mW/5000mW VDD_SOC 1234mW/1234mW",
      2000 + i, 1000 + i);
}

// A time as different programs write it: whole seconds, or finer if the style allows it.
std::string stamped(int style, double moment) {
  const auto whole = static_cast<std::time_t>(std::floor(moment + 1e-6));
  const int ms = static_cast<int>(std::lround(1000 * (moment - std::floor(moment + 1e-6))));
  std::tm date{};
  ::gmtime_r(&whole, &date);
  const auto text = [&](const char* format) {
    std::array<char, 64> out{};
    std::strftime(out.data(), out.size(), format, &date);
    return std::string(out.data());
  };
  switch (style) {
    case 0:
      return text("%m-%d-%Y %H:%M:%S ");  // tegrastats' own
    case 1:
      return text("[%Y-%m-%d %H:%M:%S] ");
    case 2:
      return text("%b %d %H:%M:%S ");  // ts
    case 3:
      return text("%b %e %H:%M:%S orin tegrastats[812]: ");
    case 4:
      return text("%Y-%m-%dT%H:%M:%S+0200 orin tegrastats[812]: ");
    case 5:
      return text("%a %b %e %H:%M:%S %Y: ");
    case 6:
      return text("%H:%M:%S ");  // without a day
    case 7:
      return text("%Y-%m-%d %H:%M:%S") + fmt::format(",{:03} ", std::max(ms, 0));
    case 8:
      return fmt::format("{}.{:03} ", whole, std::max(ms, 0));
    case 9:
      return fmt::format("[{:>12.3f}] ", moment);  // dmesg
    case 10:
      return text("%Y%m%d %H%M%S ");
    case 11:
      return text("%Y%m%dT%H%M%SZ ");
    case 12:
      return fmt::format("{:>6}\t", whole % 1000) + text("%m-%d-%Y %H:%M:%S ");  // cat -n
    case 13:
      return fmt::format("{}:", whole % 1000) + text("%m-%d-%Y %H:%M:%S ");  // grep -n
    case 14:
      return text("%a %d %b %Y %I:%M:%S %p UTC ");  // date, in American English
    case 15:
      return text("%a, %d %b %Y %H:%M:%S +0000 ");
    case 16:
      return text("[%d/%b/%Y:%H:%M:%S +0000] ");
    case 17:
      return text("INFO:root:%Y-%m-%d %H:%M:%S ");
    case 18:
      return text("I%m%d %H:%M:%S.000000 7 x.cc:1] ");
    case 19:
      return text("%m-%d-%Y %I:%M:%S %p ");
    case 20:
      return text("%d/%m/%Y %H:%M:%S ");
    case 21: {
      // A zone that changes in the middle of the log.
      const std::time_t there = whole + (whole % 20 < 10 ? 7200 : 3600);
      ::gmtime_r(&there, &date);
      return text("%Y-%m-%dT%H:%M:%S") + (whole % 20 < 10 ? "+02:00 " : "+01:00 ");
    }
    default:
      return text("%a %b %e %H:%M:%S UTC %Y ");
  }
}
constexpr int stamp_styles = 23;
bool has_fractions(int style) { return style >= 7 && style <= 9; }

TEST(TegrastatsTrace, WhoeverStampedItAndHoweverFastTheRowsAreThoseOfTheLog) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int trial = 0; trial < 400; ++trial) {
    const int style = static_cast<int>(random() % stamp_styles);
    constexpr std::array intervals = {0.1, 0.2, 0.5, 1.0, 2.0, 10.0};
    const double interval = intervals.at(random() % intervals.size());
    const std::size_t rows = 60 + random() % 100;
    // Often near midnight, sometimes near New Year.
    constexpr double days = 86400;
    const double day = random() % 3 == 0 ? 19722.0 : static_cast<double>(18000 + random() % 3000);
    const double begin = day * days + (random() % 2 == 0 ? days - 30 : random() % 86400) +
                         interval * static_cast<double>(random() % 10);
    std::string log;
    std::size_t torn = 0;
    std::vector<double> power;
    std::vector<double> original;
    for (std::size_t i = 0; i < rows; ++i) {
      const double moment = begin + interval * static_cast<double>(i);
      const std::string line = stamped(style, moment) + tegrastats_line(i);
      // The first line (as in a rotated log) or a line in the middle is torn.
      if ((i == 0 || i == rows / 2) && random() % 3 == 0) {
        log += line.substr(line.find("RAM") + 5) + "\n";
        ++torn;
        continue;
      }
      log += line + (random() % 5 == 0 ? "\r\n" : "\n");
      power.push_back((1000 + static_cast<double>(i)) / 1000);
      original.push_back(moment);
    }
    const std::string about = fmt::format("trial {}, style {}, every {} s: {}", trial, style,
                                          interval, stamped(style, begin));
    const Trace t = import_tegrastats(log, "t.log", 1);
    ASSERT_EQ(t.of(Column::power_w).size(), power.size()) << about;
    for (std::size_t i = 0; i < power.size(); ++i) {
      ASSERT_DOUBLE_EQ(t.of(Column::power_w)[i], power[i]) << about;
    }
    EXPECT_FALSE(t.has(Column::memory_free_bytes)) << about;
    // Stamps with whole seconds lose the fraction; the import restores it if rows are evenly
    // spaced.
    const double exact = has_fractions(style) || interval >= 1 ? 2e-3 : 1.01 * interval + 2e-3;
    for (std::size_t i = 0; i < power.size(); ++i) {
      const double passed = t.time[i] - t.time[0];
      ASSERT_NEAR(passed, original[i] - original[0], exact) << about << ", row " << i;
      if (i > 0) {
        ASSERT_GT(t.time[i], t.time[i - 1]) << about;
      }
    }
    const auto speaks_of = [&](const char* what) {
      return std::any_of(t.remarks.begin(), t.remarks.end(),
                         [&](const auto& r) { return r.find(what) != r.npos; });
    };
    EXPECT_EQ(speaks_of("(torn, or of another log?)"), torn > 0) << about;
    EXPECT_FALSE(speaks_of("clock was set")) << about;
    EXPECT_FALSE(speaks_of("have no date")) << about;
    EXPECT_EQ(speaks_of("gap(s)"), false) << about << testing::PrintToString(t.remarks);
  }
}

// A line cut within its stamp leaves another kind of stamp.
TEST(TegrastatsTrace, OfATornStampNothingIsBelieved) {
  const std::string stamp = "10-01-2025 20:05:51 ";
  for (std::size_t cut = 1; cut < stamp.size(); ++cut) {
    std::string log;
    for (std::size_t i = 0; i < 15; ++i) {
      if (i == 9) log += stamp.substr(cut) + tegrastats_line(i) + "\n";
      log += fmt::format("10-01-2025 20:05:{:02} ", 30 + 2 * i) + tegrastats_line(i) + "\n";
    }
    const Trace t = import_tegrastats(log, "t.log", 1);
    EXPECT_EQ(t.time.size(), 15U) << cut;
    EXPECT_EQ(t.time.back() - t.time.front(), 28) << cut;
    EXPECT_THAT(t.remarks, testing::Contains(HasSubstr("1 line(s) without the date"))) << cut;
  }
}

// A board without a battery starts in 2000, and its clock is set soon afterwards: the order of day
// and month follows from the steps between rows, however large the jump was.
TEST(TegrastatsTrace, AClockThatIsSetFarDoesNotTurnItsDatesRound) {
  std::string log;
  for (const char* stamp : {"01-01-2000 00:00:10", "01-01-2000 00:00:11", "10-01-2025 23:59:58",
                            "10-01-2025 23:59:59", "10-02-2025 00:00:00", "10-02-2025 00:00:01"}) {
    log += std::string(stamp) + " " + tegrastats_line(1) + "\n";
  }
  const Trace t = import_tegrastats(log, "t.log", 1);
  EXPECT_EQ(t.time.back() - t.time.front(), 5);
}

// Without a year, the log itself shows whether February 29 exists.
TEST(TegrastatsTrace, FebruaryWithoutAYear) {
  const auto length = [](const std::vector<std::string>& stamps) {
    std::string log;
    for (const std::string& stamp : stamps) log += stamp + " " + tegrastats_line(1) + "\n";
    const Trace t = import_tegrastats(log, "t.log", 1);
    return t.time.back() - t.time.front();
  };
  EXPECT_EQ(length({"Feb 28 23:59:58", "Feb 28 23:59:59", "Mar 01 00:00:00", "Mar 01 00:00:01"}),
            3);
  EXPECT_EQ(length({"Feb 28 23:59:59", "Feb 29 00:00:00", "Feb 29 23:59:59", "Mar 01 00:00:00"}),
            86401);
  EXPECT_EQ(length({"Feb 27 00:00:00", "Mar 01 00:00:00", "Mar 01 00:00:01"}), 3 * 86400 + 1);
}

TEST(TegrastatsTrace, NumbersOfLinesAreNoTimes) {
  std::string log;
  for (std::size_t i = 0; i < 20; ++i)
    log += fmt::format("{:>6}\t", i + 1) + tegrastats_line(i) + "\n";
  const Trace t = import_tegrastats(log, "t.log", 0.5);
  EXPECT_EQ(t.time[2], 1);
  EXPECT_THAT(t.remarks, testing::Contains(HasSubstr("have no date")));
  // grep -n
  log.clear();
  for (std::size_t i = 0; i < 40; ++i) {
    log += fmt::format("{}:20:05:{:02} ", i + 1, i) + tegrastats_line(i) + "\n";
  }
  const Trace of_day = import_tegrastats(log, "t.log", 0.5);
  EXPECT_EQ(of_day.time.back() - of_day.time.front(), 39);
}

TEST(TegrastatsTrace, LinesMayEndAsTheyDidOnAMacintosh) {
  std::string log;
  for (std::size_t i = 0; i < 20; ++i) log += tegrastats_line(i) + "\r";
  EXPECT_EQ(import_tegrastats(log, "t.log", 1).time.size(), 20U);
}

TEST(TegrastatsTrace, AClockThatIsSetIsToldOfAndTheRowsGoOn) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int trial = 0; trial < 200; ++trial) {
    const double interval = 1 + random() % 3;
    double shift = 1.7e9;
    std::string log;
    int sets = 0;
    for (std::size_t i = 0; i < 100; ++i) {
      if (i > 1 && random() % 40 == 0) {  // by then the importer knows the usual step
        // Back by a second, by an hour, or to 1970; or forward from there.
        constexpr std::array jumps = {-4.0, -3600.0, -1.6e9, 1.6e9};
        const double jump = jumps.at(random() % jumps.size());
        if (shift + jump > 0 && shift + jump < 4e9) {
          shift += jump;
          ++sets;
        }
      }
      log += stamped(random() % 2 == 0 ? 0 : 1, shift + interval * static_cast<double>(i)) +
             tegrastats_line(i) + "\n";
    }
    const Trace t = import_tegrastats(log, "t.log", 1);
    ASSERT_EQ(t.time.size(), 100U);
    for (std::size_t i = 1; i < t.time.size(); ++i) {
      ASSERT_DOUBLE_EQ(t.time[i] - t.time[i - 1], interval) << "trial " << trial << ", row " << i;
    }
    const auto told = std::count_if(t.remarks.begin(), t.remarks.end(), [](const auto& r) {
      return r.find("clock was set") != r.npos;
    });
    EXPECT_EQ(told, sets > 0 ? 1 : 0) << trial;
  }
}

TEST(TegrastatsTrace, TheRecordedLoadsMemoryIsTakenOnlyWhenAsked) {
  const std::string log = "10-01-2025 20:05:55 " + tegrastats_line(0) + "\n";
  const test::TemporaryFolder folder;
  const std::string file = folder.write("t.log", log);
  const Trace without = import_trace({.format = "tegrastats", .files = {file}});
  EXPECT_FALSE(without.has(Column::memory_free_bytes));
  EXPECT_THAT(without.remarks, testing::Contains(HasSubstr("--as-recorded takes it")));
  EXPECT_THAT(without.remarks, testing::Contains(HasSubstr("power_w drives the node's energy")));
  EXPECT_THAT(without.remarks, testing::Contains(HasSubstr("temperature_c drives nothing")));
  const Trace with = import_trace({.format = "tegrastats", .files = {file}, .as_recorded = true});
  EXPECT_THAT(with.of(Column::memory_free_bytes), ElementsAre((6834.0 - 2000) * 1024 * 1024));
  EXPECT_THAT(with.remarks, testing::Contains(HasSubstr("fail where it left too little")));
  // The file contains nothing else.
  const std::string bare = folder.write("bare.log", "RAM 1/2MB\n");
  expect_error([&] { import_trace({.format = "tegrastats", .files = {bare}}); },
               "nothing that could drive a node");
}

TEST(TegrastatsTrace, InUtf16) {
  const std::string log = "10-01-2025 20:05:55 " + tegrastats_line(0) + "\n10-01-2025 20:05:56 " +
                          tegrastats_line(1) + "\n";
  std::string wide = "\xff\xfe";
  for (const char c : log) wide += {c, '\0'};
  const test::TemporaryFolder folder;
  const Trace t = import_trace({.format = "tegrastats", .files = {folder.write("t.log", wide)}});
  EXPECT_THAT(t.of(Column::power_w), ElementsAre(1, 1.001));
  EXPECT_THAT(t.remarks, testing::Contains(HasSubstr("is UTF-16")));
}

TEST(Imports, AClockThatIsSetStopsNoImporter) {
  const Trace g = import_gnettrack(
      "Timestamp,DL_bitrate,UL_bitrate\n2020.02.14_13.22.00,1,1\n2020.02.14_13.22.01,2,2\n"
      "2020.02.14_12.22.01,3,3\n2020.02.14_12.22.02,4,4\n",
      "g.csv");
  EXPECT_THAT(g.of(Column::down_bps), ElementsAre(1e3, 2e3, 3e3, 4e3, 4e3));
  EXPECT_DOUBLE_EQ(g.time[3] - g.time[0], 3);
  EXPECT_THAT(g.remarks, testing::Contains(HasSubstr("at line 4 it goes back by 1h 00m 00s")));
  const Trace p = import_mlperf_power(
      "Time,08-10-2021 17:01:44,Watts,1\nTime,08-10-2021 17:01:45,Watts,2\n"
      "Time,08-10-2021 17:01:43,Watts,3\n",
      "p.csv");
  EXPECT_DOUBLE_EQ(p.time[2] - p.time[0], 2);
  EXPECT_THAT(p.remarks, testing::Contains(HasSubstr("at line 3 it goes back by 2.00 s")));
}

TEST(Traces, ARateBelowOneBitASecondIsRefused) {
  for (const char* column : {"up_bps", "down_bps"}) {
    for (const char* value : {"0", "1", "1.5", "1e13"}) {
      EXPECT_NO_THROW(parse_trace(fmt::format("time_s,{}\n0,{}\n", column, value), "t.csv"));
    }
    for (const char* value : {"0.5", "1e-9", "-1"}) {
      expect_error([&] { parse_trace(fmt::format("time_s,{}\n0,{}\n", column, value), "t.csv"); },
                   fmt::format("t.csv:2: {}: ", column));
    }
  }
}

TEST(Imports, RealLogsAreRead) {
  if (!std::filesystem::exists(samples)) GTEST_SKIP() << "no samples at " << samples;
  int files = 0;
  for (const auto& [folder, format] : {std::pair{"mlperf-power", "mlperf-power"},
                                       {"tegrastats", "tegrastats"},
                                       {"gnettrack-5g", "gnettrack"}}) {
    for (const auto& entry : std::filesystem::directory_iterator(samples / folder)) {
      const Trace t = import_trace({.format = format, .files = {entry.path().string()}});
      EXPECT_GT(t.time.size(), 90U) << entry.path();
      // A written trace is read as the same trace.
      const Trace again = parse_trace(to_csv(t), "again");
      EXPECT_EQ(again.values, t.values) << entry.path();
      ++files;
    }
  }
  EXPECT_EQ(files, 8);
}

// --- FedScale -----------------------------------------------------------------------------------

constexpr const char* behaviours = R"({
  "1": {"duration": 100, "active": [10, 50], "inactive": [20, 60], "finish_time": 100},
  "2": {"duration": 100, "active": [30], "inactive": [5, 80], "finish_time": 100}})";

TEST(FedScale, AvailabilityOfAClient) {
  const Trace one = import_fedscale(behaviours, "b.json", "1");
  EXPECT_THAT(one.time, ElementsAre(0, 10, 20, 50, 60, 100));
  EXPECT_THAT(one.of(Column::available), ElementsAre(0, 1, 0, 1, 0, 0));
  const Trace two = import_fedscale(behaviours, "b.json", "2");
  EXPECT_THAT(two.time, ElementsAre(0, 5, 30, 80, 100));
  EXPECT_THAT(two.of(Column::available), ElementsAre(1, 0, 1, 0, 0));
}

TEST(FedScale, CapacityOfAClient) {
  const char* text = R"({"7": {"computation": 50, "communication": 5000},
    "8": {"computation": 100, "communication": 1000}, "9": {"computation": 400,
    "communication": 200}})";
  const Trace fast = import_fedscale(text, "c.json", "7");
  EXPECT_THAT(fast.of(Column::speed), ElementsAre(2));
  EXPECT_THAT(fast.of(Column::up_bps), ElementsAre(5e6));
  EXPECT_THAT(import_fedscale(text, "c.json", "9").of(Column::speed), ElementsAre(0.25));
}

TEST(FedScale, WhatIsWrongIsNamed) {
  const auto reading = [](const char* text) {
    return [=] { import_fedscale(text, "f.json", ""); };
  };
  expect_error(reading("\x80\x04"), "pickles");
  expect_error(reading(R"({"1": {"computation": 5e4888}})"), "no JSON");
  expect_error(reading("[]"), "an object with the clients");
  expect_error(reading(R"({"1": 3})"), "client 1: an object is expected");
  expect_error(reading(R"({"1": {"active": [3, 1], "inactive": [], "finish_time": 9}})"),
               "active[1]: times in seconds that rise");
  expect_error(reading(R"({"1": {"active": [3], "finish_time": 9}})"), "inactive is missing");
  expect_error(reading(R"({"1": {"computation": 0, "communication": 3}})"), "computation = 0");
  expect_error([] { import_fedscale(behaviours, "b.json", "3"); }, "has no client \"3\"");
}

// --- several files ------------------------------------------------------------------------------

TEST(Imports, ColumnsOfSeveralFilesStandSideBySide) {
  const test::TemporaryFolder folder;
  const std::string down = folder.write("a.down", "0\n100\n");
  const std::string up = folder.write("a.up", "50\n200\n");
  const Trace t = import_trace({.format = "mahimahi", .files = {down, up}});
  EXPECT_DOUBLE_EQ(bytes(t, Column::down_bps, 0.2), 4 * 1500) << "the shorter one repeats";
  EXPECT_DOUBLE_EQ(bytes(t, Column::up_bps, 0.2), 2 * 1500);
  expect_error(
      [&] {
        import_trace({.format = "mahimahi", .files = {down, down}});
      },
      "down_bps is there already");
  expect_error([&] { import_trace({.format = "mahmahi", .files = {down}}); },
               "did you mean \"mahimahi\"?");
  const std::string other = folder.write("link", "0\n100\n");
  expect_error([&] { import_trace({.format = "mahimahi", .files = {other}}); }, "--direction");
  const std::string empty = folder.write("empty", "");
  expect_error([&] { import_trace({.format = "gnettrack", .files = {empty}}); }, "is empty");
}

}  // namespace
}  // namespace convoy::platforms
