// Tests the identification of a machine from files with the texts of real Jetsons.

#include "sensors/board.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platforms/catalogue.hpp"
#include "tests/sensors/machine.hpp"

namespace convoy::sensors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Boards : public testing::Test {
 protected:
  void orin_nano() const {
    using namespace std::string_literals;
    machine_.write("proc/device-tree/model",
                   "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0"s);
    machine_.write("proc/device-tree/compatible",
                   "nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0"s);
    machine_.write("etc/nv_tegra_release",
                   "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
                   "DATE: Wed Jan  8 01:49:37 UTC 2025");
    machine_.write("var/lib/nvpmodel/status", "pmode:0001 fmode:cool");
    machine_.write("etc/nvpmodel.conf",
                   "# < POWER_MODEL ID=1 NAME=NOT_THIS >\n< PM_CONFIG DEFAULT=2 >\n"
                   "< POWER_MODEL ID=0 NAME=15W >\n  CPU_ONLINE CORE_0 1\n"
                   "< POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >");
    machine_.write("var/lib/dpkg/status",
                   "Package: other\nStatus: install ok installed\nVersion: 1\n\n"
                   "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n");
    machine_.write("proc/sys/kernel/osrelease", "5.15.148-tegra");
    machine_.write("etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 22.04.5 LTS\"");
    machine_.write("sys/devices/system/cpu/online", "0-3,5");
    machine_.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1344000");
    machine_.write("sys/class/devfreq/17000000.gpu/max_freq", "918000000");
    machine_.write("sys/class/devfreq/15340000.vic/max_freq", "1");
    machine_.write("sys/kernel/nvpmodel_clk_cap/emc", "3199000000");
  }
  [[nodiscard]] Board read() const { return read_board(machine_.path("")); }

  Machine machine_;
};

TEST_F(Boards, AnOrinNano) {
  orin_nano();
  const Board board = read();
  EXPECT_EQ(board.model, "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super");
  EXPECT_EQ(board.module, "p3767-0005");
  EXPECT_EQ(board.device, "jetson-orin-nano-8gb");
  EXPECT_EQ(board.l4t, "36.4.3");
  EXPECT_EQ(board.jetpack, "6.2+b77");
  EXPECT_EQ(board.power_mode, "25W");
  EXPECT_EQ(board.kernel, "5.15.148-tegra");
  EXPECT_EQ(board.system, "Ubuntu 22.04.5 LTS");
  ASSERT_EQ(board.figures.size(), 4U);
  EXPECT_EQ(board.figures[0].value, 5);        // cores
  EXPECT_EQ(board.figures[1].value, 1.344e9);  // CPU, given in kHz
  EXPECT_EQ(board.figures[2].value, 9.18e8);   // GPU, not the video engine
  EXPECT_EQ(board.figures[3].value, 3.199e9);
}

TEST_F(Boards, AMachineThatSaysNothingIsNotGuessedAt) {
  const Board board = read();
  EXPECT_EQ(board.model, "");
  EXPECT_EQ(board.device, "");
  EXPECT_EQ(board.power_mode, "");
  EXPECT_EQ(board.l4t, "");
  EXPECT_THAT(board.figures, IsEmpty());
}

TEST_F(Boards, OfTheFirstDeveloperKitOfAgxOrinTheDeviceIsLeftOpen) {
  machine_.write("proc/device-tree/compatible", "nvidia,p3737-0000+p3701-0000");
  EXPECT_EQ(read().module, "p3701-0000");
  EXPECT_EQ(read().device, "");
}

TEST_F(Boards, WhatIsTornOrOddIsLeftOut) {
  orin_nano();
  machine_.write("var/lib/nvpmodel/status", "pmode:");
  machine_.write("etc/nv_tegra_release", "# R36 (release)");
  machine_.write("sys/devices/system/cpu/online", "3-1");
  machine_.write("var/lib/dpkg/status",
                 "Package: nvidia-jetpack\nStatus: deinstall ok config-files\nVersion: 5.1\n");
  const Board board = read();
  EXPECT_EQ(board.power_mode, "");
  EXPECT_EQ(board.l4t, "");
  EXPECT_EQ(board.jetpack, "");
  EXPECT_EQ(board.figures.size(), 3U);
  machine_.write("var/lib/nvpmodel/status", "pmode:0009");  // a mode that the list does not have
  EXPECT_EQ(read().power_mode, "mode 9");
  machine_.write("proc/device-tree/model", "\x1b[31mred\x1b[0m");
  EXPECT_EQ(read().model.find('\x1b'), std::string::npos);
}

TEST_F(Boards, EveryModuleIsOneOfTheCatalogue) {
  const auto names = platforms::Catalogue::device_names();
  std::vector<std::string> found;
  for (const char* number :
       {"p3701-0004", "p3701-0005", "p3767-0000", "p3767-0001", "p3767-0003", "p3767-0004",
        "p2888-0004", "p3668-0000", "p3668-0003", "p3310-1000", "p3636-0001", "p3448-0000"}) {
    machine_.write("proc/device-tree/compatible", std::string("nvidia,") + number);
    found.push_back(read().device);
    EXPECT_NE(std::find(names.begin(), names.end(), found.back()), names.end()) << number;
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  EXPECT_EQ(found.size(), names.size() - 1) << "all but the server can be recognized";
}

TEST(PowerModes, AreTheCataloguesWhateverTheyAreCalled) {
  const std::vector<std::string> known = {"MAXN", "15W", "30W", "15W_DESKTOP", "30W_6CORE"};
  EXPECT_EQ(catalogue_mode("MAXN", known), "MAXN");
  EXPECT_EQ(catalogue_mode("MODE_15W", known), "15W");
  EXPECT_EQ(catalogue_mode("MODE_30W_ALL", known), "30W");
  EXPECT_EQ(catalogue_mode("MODE_15W_DESKTOP", known), "15W_DESKTOP");
  EXPECT_EQ(catalogue_mode("MODE_30W_6CORE", known), "30W_6CORE");
  EXPECT_EQ(catalogue_mode("MODE_30W_5CORE", known), "");
  EXPECT_EQ(catalogue_mode("mode 9", known), "");
  EXPECT_EQ(catalogue_mode("", known), "");
}

}  // namespace
}  // namespace convoy::sensors
