#include "sensors/tegrastats.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace convoy::sensors {
namespace {

constexpr double mebibyte = 1024.0 * 1024.0;

// One line of every release with a different format, as published on the web.

// Nano, JetPack 4: github.com/DataDog/datadog-agent, tegra_test.go
const std::string nano =
    "RAM 613/3964MB (lfb 634x4MB) SWAP 0/1982MB (cached 0MB) IRAM 0/252kB(lfb 252kB) CPU "
    "[2%@102,1%@102,0%@102,1%@102] EMC_FREQ 7%@408 GR3D_FREQ 16%@76 APE 25 PLL@39C CPU@40.5C "
    "iwlwifi@44C PMIC@100C GPU@41C AO@46C thermal@41C POM_5V_IN 2064/2123 POM_5V_GPU 40/40 "
    "POM_5V_CPU 123/123";
// TX2, JetPack 4: as above
const std::string tx2 =
    "RAM 1345/7829MB (lfb 1290x4MB) SWAP 0/512MB (cached 0MB) CPU [2%@345,off,off,4%@345,off,off] "
    "EMC_FREQ 13%@40 GR3D_FREQ 0%@114 APE 150 MTS fg 0% bg 0% BCPU@35C MCPU@36C GPU@41C PLL@35C "
    "AO@35.5C Tboard@35C Tdiode@36C PMIC@100C thermal@35.5C VDD_IN 2003/2658 VDD_CPU 320/518 "
    "VDD_GPU 400/735 VDD_SOC 400/415 VDD_WIFI 0/0 VDD_DDR 240/348";
// AGX Xavier, JetPack 4: github.com/martinkersner/gtop/pull/7
const std::string agx_xavier =
    "RAM 14700/15692MB (lfb 3x2MB) SWAP 898/8192MB (cached 23MB) CPU "
    "[0%@1190,8%@1190,0%@1190,0%@1190,0%@1190,0%@1190,0%@1190,0%@1190] EMC_FREQ 0% GR3D_FREQ 0% "
    "AO@30C GPU@30.5C Tboard@31C Tdiode@32C AUX@30.5C CPU@31.5C thermal@30.8C PMIC@100C GPU "
    "463/463 CPU 618/618 SOC 2936/2936 CV 0/0 VDDRQ 309/309 SYS5V 3306/3306";
// Xavier NX, JetPack 5: with a date, and units of powers
const std::string xavier_nx =
    "11-28-2023 10:01:02 RAM 2274/6834MB (lfb 27x4MB) SWAP 542/3417MB (cached 2MB) CPU "
    "[99%@1189,100%@1188,100%@1189,97%@1189,off,off] EMC_FREQ 0% GR3D_FREQ 22% AUX@36.5C CPU@40C "
    "thermal@37.85C AO@37.5C GPU@38C PMIC@50C VDD_IN 5003mW/5013mW VDD_CPU_GPU_CV 1594mW/1594mW "
    "VDD_SOC 1234mW/1234mW";
// Orin NX, JetPack 6: github.com/rbonghi/jetson_stats/issues/624
const std::string orin_nx =
    "05-15-2025 18:30:28 RAM 6982/7620MB (lfb 5x1MB) SWAP 2640/16384MB (cached 202MB) CPU "
    "[97%@1984,95%@1984,95%@1984,91%@1984,88%@1984,93%@247] EMC_FREQ 18%@3199 GR3D_FREQ 84%@[713] "
    "NVENC 1%@115 NVDEC 40%@115 NVJPG off NVJPG1 off VIC 31%@115 OFA off NVDLA0 off PVA0_FREQ off "
    "APE 174 cv0@-256C cpu@65.562C soc2@64.156C soc0@63.031C gpu@63.5C tj@65.625C soc1@64.718C "
    "VDD_IN 17946mW/15710mW VDD_CPU_GPU_CV 8896mW/7585mW VDD_SOC 3923mW/3515mW";
// AGX Orin, JetPack 5 and 6
const std::string agx_orin =
    "11-21-2025 08:49:48 RAM 13983/62780MB (lfb 424x4MB) SWAP 126/31390MB (cached 0MB) CPU "
    "[90%@2201,100%@2201,off,off] EMC_FREQ 1%@2133 GR3D_FREQ 99%@[1300,0] VIC_FREQ 115 NVDLA0_FREQ "
    "@1600 APE 174 CV0@73.625C CPU@77.281C Tboard@62C SOC2@70C Tdiode@62.25C GPU@69.125C "
    "tj@77.281C VDD_GPU_SOC 3150mW/2971mW VDD_CPU_CV 14312mW/12415mW VIN_SYS_5V0 4968mW/5048mW "
    "VDDQ_VDD2_1V8AO 1091mW/1091mW";
// AGX Thor, JetPack 7: no GPU load when idle, a peak after the means
const std::string thor =
    "08-08-2026 20:58:23 RAM 3429/125749MB (lfb 120x4MB) CPU [0%,5%,off]@2601 EMC_FREQ @4266 "
    "GR3D_FREQ @[1574,1574,1574] NVENC0_FREQ @1691 VIC off cpu@49.75C/61.75C tj@51.218C/66.625C "
    "gpu@-256C/56C soc012@50.375C/58.781C VDD_GPU -392mW/6330mW/6330mW VDD_CPU_SOC_MSS "
    "3924mW/3835mW/3924mW VIN_SYS_5V0 5064mW/5055mW/5064mW VIN 28906mW/14453mW/28906mW";

const std::vector<std::string> all = {nano, tx2, agx_xavier, xavier_nx, orin_nx, agx_orin, thor};

TegrastatsLine parse(const std::string& text) {
  const std::optional<TegrastatsLine> line = parse_tegrastats(text);
  EXPECT_TRUE(line.has_value()) << text;
  return line.value_or(TegrastatsLine{});
}

double rail(const TegrastatsLine& line, const std::string& name) {
  const auto at = std::find_if(line.rails_w.begin(), line.rails_w.end(),
                               [&](const NamedValue& rail) { return rail.name == name; });
  return at == line.rails_w.end() ? -1e9 : at->value;
}

TEST(Tegrastats, Nano) {
  const TegrastatsLine line = parse(nano);
  EXPECT_EQ(line.ram_used_bytes, 613 * mebibyte);
  EXPECT_EQ(line.ram_total_bytes, 3964 * mebibyte);
  EXPECT_EQ(line.swap_used_bytes, 0);
  EXPECT_EQ(line.swap_total_bytes, 1982 * mebibyte);
  EXPECT_EQ(line.core_loads.size(), 4);
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.01);
  EXPECT_DOUBLE_EQ(line.emc_load.value(), 0.07);
  EXPECT_DOUBLE_EQ(line.gpu_load.value(), 0.16);
  EXPECT_EQ(line.temperatures_c.size(), 7);
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 41);  // neither AO nor PMIC
  ASSERT_EQ(line.rails_w.size(), 3);                   // IRAM is no rail
  EXPECT_DOUBLE_EQ(line.power_w().value(), 2.064);     // now, not the mean
}

TEST(Tegrastats, Tx2) {
  const TegrastatsLine line = parse(tx2);
  ASSERT_EQ(line.core_loads.size(), 6);
  EXPECT_FALSE(line.core_loads[1].has_value());
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.03);  // of the two active cores
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 41);
  EXPECT_DOUBLE_EQ(line.power_w().value(), 2.003);
  EXPECT_DOUBLE_EQ(rail(line, "VDD_DDR"), 0.24);
}

// In one line "CPU" and "GPU" name cores, temperatures and powers.
TEST(Tegrastats, AgxXavierHasNoTotalButParts) {
  const TegrastatsLine line = parse(agx_xavier);
  EXPECT_EQ(line.core_loads.size(), 8);
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.01);
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 31.5);
  EXPECT_DOUBLE_EQ(rail(line, "CPU"), 0.618);
  EXPECT_DOUBLE_EQ(line.power_w().value(), 0.463 + 0.618 + 2.936 + 0.309 + 3.306);
}

TEST(Tegrastats, XavierNx) {
  const TegrastatsLine line = parse(xavier_nx);
  EXPECT_DOUBLE_EQ(line.gpu_load.value(), 0.22);
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.99);
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 40);
  EXPECT_DOUBLE_EQ(line.power_w().value(), 5.003);
  EXPECT_EQ(line.rails_w.size(), 3);
}

TEST(Tegrastats, OrinNx) {
  const TegrastatsLine line = parse(orin_nx);
  EXPECT_DOUBLE_EQ(line.gpu_load.value(), 0.84);
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 65.625);  // tj
  EXPECT_DOUBLE_EQ(line.power_w().value(), 17.946);
}

// VIN_SYS_5V0 is a part of the total, and includes the memory's rail.
TEST(Tegrastats, AgxOrin) {
  const TegrastatsLine line = parse(agx_orin);
  EXPECT_DOUBLE_EQ(line.gpu_load.value(), 0.99);
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.95);
  EXPECT_EQ(line.rails_w.size(), 4);
  EXPECT_NEAR(line.power_w().value(), 3.150 + 14.312 + 4.968, 1e-9);
}

TEST(Tegrastats, Thor) {
  const TegrastatsLine line = parse(thor);
  EXPECT_FALSE(line.gpu_load.has_value());
  EXPECT_FALSE(line.emc_load.has_value());
  ASSERT_EQ(line.core_loads.size(), 3);
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.025);
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 51.218);
  EXPECT_DOUBLE_EQ(rail(line, "VDD_GPU"), -0.392);
  EXPECT_DOUBLE_EQ(line.power_w().value(), 28.906);
}

TEST(Tegrastats, ThorWithoutTheMonitorAtItsInput) {
  const TegrastatsLine line = parse(thor.substr(0, thor.find(" VIN 28906mW")));
  EXPECT_NEAR(line.power_w().value(), -0.392 + 3.924 + 5.064, 1e-9);
}

TEST(Tegrastats, APartIsNoTotal) {
  EXPECT_FALSE(parse("POM_5V_GPU 40/40 POM_5V_CPU 123/123").power_w().has_value());
  EXPECT_FALSE(parse("VIN_SYS_5V0 4968mW/5048mW").power_w().has_value());
  EXPECT_FALSE(parse("GPU 463/463 CPU 618/618 SOC 2936/2936").power_w().has_value());
}

TEST(Tegrastats, OldSpellings) {
  const TegrastatsLine line = parse(
      "RAM 250/490MB (lfb 17x1MB) cpu [61%,45%, ]@835 EMC 25%@333 "
      "GR3D 7%@76 EDP limit 0\r\n");
  EXPECT_DOUBLE_EQ(line.cpu_load().value(), 0.53);
  EXPECT_EQ(line.core_loads.size(), 3);
  EXPECT_DOUBLE_EQ(line.emc_load.value(), 0.25);
  EXPECT_DOUBLE_EQ(line.gpu_load.value(), 0.07);
}

TEST(Tegrastats, NothingKnown) {
  for (const char* text : {"",
                           " ",
                           "\n",
                           "tegrastats: command not found",
                           "RAM",
                           "RAM RAM RAM",
                           "CPU [",
                           "CPU [,",
                           "GR3D_FREQ 101%",
                           "GR3D_FREQ -1%",
                           "@45C",
                           "1@45C",
                           "CPU@nanC",
                           "CPU@infC",
                           "CPU@1e3C",
                           "CPU@45",
                           "VDD_IN 5003mW",
                           "VDD_IN /",
                           "VDD_IN 5003/",
                           "VDD_IN 5003mW/12kW",
                           "VDD_IN 99999999/1",
                           "RAM 9/5MB",
                           "RAM 1234/39",
                           "SWAP 1/2kB",
                           "[[[[",
                           "]]]]",
                           "11-28-2023 10:01:02"}) {
    EXPECT_FALSE(parse_tegrastats(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_tegrastats(std::string(100, '\0')).has_value());
  EXPECT_FALSE(parse_tegrastats("VDD_IN " + std::string(5000, '9') + "/1").has_value());
}

TEST(Tegrastats, ABrokenFieldSparesTheNext) {
  const TegrastatsLine line =
      parse("RAM x CPU [1%@2,?] GR3D_FREQ cpu@45C EMC_FREQ VDD_IN 1000mW/1000mW SWAP off");
  EXPECT_TRUE(line.core_loads.empty());
  EXPECT_FALSE(line.cpu_load().has_value());
  EXPECT_FALSE(line.gpu_load.has_value());
  EXPECT_DOUBLE_EQ(line.temperature_c().value(), 45);
  EXPECT_DOUBLE_EQ(line.power_w().value(), 1);
}

// A line cut off at any place gives no value that the whole line does not have.
TEST(Tegrastats, EveryPrefixIsReadOrLeft) {
  for (const std::string& text : all) {
    const TegrastatsLine whole = parse(text);
    for (std::size_t size = 0; size < text.size(); ++size) {
      // In a copy of exactly this size, so that reading past its end is detected.
      const std::vector<char> bytes(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      const auto line = parse_tegrastats(std::string_view(bytes.data(), bytes.size()));
      if (!line) continue;
      SCOPED_TRACE(text.substr(0, size));
      if (line->ram_used_bytes) {
        EXPECT_EQ(line->ram_total_bytes, whole.ram_total_bytes);
      }
      if (line->swap_used_bytes) {
        EXPECT_EQ(line->swap_total_bytes, whole.swap_total_bytes);
      }
      if (line->gpu_load) {
        EXPECT_EQ(line->gpu_load, whole.gpu_load);
      }
      if (line->emc_load) {
        EXPECT_EQ(line->emc_load, whole.emc_load);
      }
      if (!line->core_loads.empty()) {
        EXPECT_EQ(line->core_loads, whole.core_loads);
      }
      ASSERT_LE(line->temperatures_c.size(), whole.temperatures_c.size());
      for (std::size_t i = 0; i < line->temperatures_c.size(); ++i) {
        EXPECT_EQ(line->temperatures_c[i].value, whole.temperatures_c[i].value);
      }
      ASSERT_LE(line->rails_w.size(), whole.rails_w.size());
      for (std::size_t i = 0; i < line->rails_w.size(); ++i) {
        EXPECT_EQ(line->rails_w[i].name, whole.rails_w[i].name);
        EXPECT_EQ(line->rails_w[i].value, whole.rails_w[i].value);
      }
    }
  }
}

void expect_sane(std::string_view bytes) {
  const auto line = parse_tegrastats(bytes);
  if (!line) return;
  for (const auto& load : {line->cpu_load(), line->gpu_load, line->emc_load}) {
    if (load) {
      EXPECT_TRUE(*load >= 0 && *load <= 1) << bytes;
    }
  }
  if (const auto power = line->power_w()) {
    EXPECT_TRUE(*power >= 0 && *power <= 6000) << bytes;
  }
  if (const auto heat = line->temperature_c()) {
    EXPECT_TRUE(*heat > -40 && *heat <= 150) << bytes;
  }
}

TEST(Tegrastats, EveryFlippedByteIsSurvived) {
  for (const std::string& text : all) {
    std::vector<char> bytes(text.begin(), text.end());
    for (char& byte : bytes) {
      const char before = byte;
      for (const char other : {'\0', ' ', '[', ']', '/', '@', '%', '-', '.', '9', 'e', '\xff'}) {
        byte = other;
        expect_sane(std::string_view(bytes.data(), bytes.size()));
      }
      for (unsigned bit = 0; bit < 8; ++bit) {
        byte = static_cast<char>(static_cast<unsigned char>(before) ^ (1U << bit));
        expect_sane(std::string_view(bytes.data(), bytes.size()));
      }
      byte = before;
    }
  }
}

TEST(Tegrastats, ScrambledLinesAreSurvived) {
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same lines every time
  const auto below = [&](std::size_t end) { return random() % end; };
  for (int round = 0; round < 20000; ++round) {
    const std::string& first = all[below(all.size())];
    const std::string& second = all[below(all.size())];
    std::string text = first.substr(0, below(first.size())) + second.substr(below(second.size()));
    for (std::size_t flips = below(4); flips > 0 && !text.empty(); --flips) {
      text[below(text.size())] = static_cast<char>(below(256));
    }
    const std::vector<char> bytes(text.begin(), text.end());
    expect_sane(std::string_view(bytes.data(), bytes.size()));
  }
}

TEST(Tegrastats, RealLog) {
  const std::filesystem::path log = std::filesystem::path(CONVOY_SOURCE).parent_path() /
                                    "shared/data/traces/tegrastats/xavier-nx-burn.log";
  if (!std::filesystem::exists(log)) GTEST_SKIP() << "no log " << log;
  std::ifstream in(log);
  int lines = 0;
  for (std::string text; std::getline(in, text); ++lines) {
    const TegrastatsLine line = parse(text);
    EXPECT_GT(line.ram_used_bytes.value_or(0), 1e9) << text;
    EXPECT_EQ(line.ram_total_bytes, 6834 * mebibyte) << text;
    EXPECT_EQ(line.core_loads.size(), 6) << text;
    EXPECT_TRUE(line.gpu_load && line.emc_load && line.cpu_load()) << text;
    EXPECT_EQ(line.temperatures_c.size(), 6) << text;
    EXPECT_GT(line.temperature_c().value_or(0), 30) << text;
    EXPECT_EQ(line.rails_w.size(), 3) << text;
    EXPECT_GT(line.power_w().value_or(0), 2) << text;
    EXPECT_LT(line.power_w().value_or(0), 25) << text;
  }
  EXPECT_GT(lines, 100);
}

}  // namespace
}  // namespace convoy::sensors
