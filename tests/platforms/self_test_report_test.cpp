// Tests reports of convoy-node --self-test as rows, also reports of a later version or edited by
// hand.

#include "platforms/self_test_report.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "base/diagnostics.hpp"
#include "engine/model/submodel.hpp"
#include "engine/model/trace.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/device_file.hpp"
#include "platforms/roofline.hpp"
#include "platforms/validation.hpp"
#include "tests/support/files.hpp"

namespace convoy::platforms {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json row(const std::string& architecture, int batch, double seconds) {
  return {{"metric", "step_time"},
          {"value", seconds},
          {"unit", "s"},
          {"training", true},
          {"precision", "fp32"},
          {"batch", batch},
          {"rate", 1.0},
          {"optimizer", "sgd-momentum"},
          {"spread", 0.01},
          {"model", {{"architecture", architecture}, {"classes", 10}, {"exits", {1.0}}}}};
}

// As from an Orin Nano whose GPU computed.
json report() {
  return {{report_key, report_version},
          {"device", "jetson-orin-nano-8gb"},
          {"power_mode", "15W"},
          {"rows", {row("resnet18", 8, 0.2), row("cnn-small", 16, 0.002)}}};
}

Measurements read(const json& report) {
  Measurements all;
  read_report(report.dump(), "r.json", all);
  return all;
}

std::string refusal(const json& report) {
  try {
    read(report);
  } catch (const base::UserError& e) {
    return e.what();
  }
  return "";
}

TEST(SelfTestReport, RowsAreStepsOfTheDeviceThatItNames) {
  json given = report();
  given["rows"][0]["rate"] = 0.5;
  given["rows"][0]["model"]["exits"] = {0.5, 1.0};
  given["rows"][0]["optimizer"] = "adamw";
  given["rows"][0]["model"]["image_size"] = 64;
  given["rows"].push_back({{"metric", "idle_power"}, {"value", 3.5}, {"unit", "W"}});
  const Measurements all = read(given);
  ASSERT_EQ(all.rows.size(), 3U);
  EXPECT_EQ(all.rows[0].device, "jetson-orin-nano-8gb");
  EXPECT_EQ(all.rows[0].mode, "15W");
  EXPECT_EQ(all.rows[0].place, "r.json: rows.0");
  const engine::Architecture a = engine::make_architecture(all.rows[0].options);
  const auto cost = engine::training_step(engine::trace(a, engine::nested_submodel(a, 0.5)),
                                          engine::Optimizer::adamw, engine::Phase::weights, 8);
  EXPECT_EQ(step_of(all.rows[0]).flops(), cost.flops());
  EXPECT_EQ(step_of(all.rows[0]).kernels.size(), cost.kernels.size());
  EXPECT_EQ(all.rows[2].metric, Measurement::Metric::idle_power);
  EXPECT_EQ(all.rows[2].value, 3.5);
  EXPECT_TRUE(all.remarks.empty());
  given["quick"] = true;
  EXPECT_THAT(read(given).remarks, testing::ElementsAre(HasSubstr("too inexact")));
}

TEST(SelfTestReport, WhatIsOddIsNamed) {
  EXPECT_THAT(refusal({{"rows", json::array()}}), HasSubstr("is no report"));
  json later = report();
  later[report_key] = report_version + 1;
  EXPECT_THAT(refusal(later), HasSubstr("later Convoy"));
  const auto with = [](const char* key, const json& value) {
    json changed = report();
    changed["rows"][1][key] = value;
    return refusal(changed);
  };
  EXPECT_THAT(with("value", 0), HasSubstr("rows.1.value"));
  EXPECT_THAT(with("value", "fast"), HasSubstr("rows.1.value"));
  EXPECT_THAT(with("batch", 0.5), HasSubstr("rows.1.batch"));
  EXPECT_THAT(with("optimizer", "sgdd"), HasSubstr("sgd"));
  EXPECT_THAT(with("precision", "fp16"), HasSubstr("half precision alone"));
  EXPECT_THAT(with("model", {{"architecture", "resnet19"}}), HasSubstr("resnet18"));
  EXPECT_THAT(with("model", {{"architecture", "vit-b16"}, {"image_size", 17}}), HasSubstr("patch"));
  EXPECT_THAT(with("model", {{"architecture", "mlp"}, {"depth", 3}}), HasSubstr("depth"));
  json shallow = report();
  shallow["rows"][0]["rate"] = 0.5;
  EXPECT_THAT(refusal(shallow), HasSubstr("raise the rate"));
  EXPECT_THAT(with("unit", "ms"), HasSubstr("rows.1.unit"));
  json path = report();
  path["device"] = "../mine.toml";
  EXPECT_THAT(refusal(path), HasSubstr("device"));
  json without = report();
  without.erase("device");
  EXPECT_THAT(refusal(without), HasSubstr("device"));
}

TEST(SelfTestReport, CutOrChangedItIsReadOrRefused) {
  const std::string whole = report().dump();
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string text = whole;
    for (unsigned k = random() % 5; k > 0; --k) text[random() % text.size()] = char(random() % 128);
    if (round % 3 == 0) text.resize(random() % text.size());
    Measurements all;
    try {
      read_report(text, "r.json", all);
      for (const Measurement& m : all.rows) EXPECT_GT(m.value, 0);
    } catch (const base::UserError&) {
      EXPECT_TRUE(all.rows.empty());
    }
  }
}

// A machine outside the catalogue brings its own profile.
TEST(SelfTestReport, ItsOwnProfileStandsForADeviceThatNobodyKnows) {
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  Device own = *catalogue.device("jetson-nano");
  own.name = "bench-profile";
  json given = report();
  given["device"] = own.name;
  given["power_mode"] = own.default_mode;
  given["profile"] = to_toml(own, {"measured"});
  const Validation all = validate(read(given), catalogue);
  ASSERT_EQ(all.groups.size(), 1U);
  EXPECT_EQ(all.groups[0].device, "bench-profile, by its own profile");
  const Machine machine = platforms::machine(own, *own.mode(own.default_mode));
  const Measurements again = read(given);
  EXPECT_NEAR(all.groups[0].rows[0].predicted / seconds(step_of(again.rows[0]), machine), 1, 2e-3);

  // The next report has another profile with the same name.
  json other = given;
  own.dense_overhead = Figure{1e7, Origin::measured, ""};
  other["profile"] = to_toml(own, {"measured"});
  Measurements both = read(given);
  read_report(other.dump(), "s.json", both);
  const Validation of_both = validate(std::move(both), catalogue);
  ASSERT_EQ(of_both.groups.size(), 2U);
  EXPECT_NE(of_both.groups[0].rows[0].predicted, of_both.groups[1].rows[0].predicted);

  own.name = "jetson-nano";  // a device of the catalogue
  given["profile"] = to_toml(own, {"measured"});
  EXPECT_THAT(refusal(given), HasSubstr("is the catalogue's"));
  given["profile"] = "name = 3";
  EXPECT_THAT(refusal(given), HasSubstr("r.json: profile"));
  given.erase("profile");
  EXPECT_EQ(validate(read(given), catalogue).unused.size(), 2U);
}

TEST(SelfTestReport, IsTakenByCalibrateLikeATable) {
  const test::TemporaryFolder folder;
  json given = report();
  base::Diagnostics problems;
  Catalogue catalogue(".", problems);
  const Device& nano = *catalogue.device("jetson-orin-nano-8gb");
  const Machine machine = platforms::machine(nano, *nano.mode("15W"));
  json rows = json::array();
  for (const char* architecture : {"resnet18", "cnn-small", "mlp", "vit-micro", "resnet18-cifar"}) {
    for (const int batch : {2, 16}) {
      json one = row(architecture, batch, 1);
      given["rows"] = {one};
      one["value"] = 1.25 * seconds(step_of(read(given).rows[0]), machine);
      rows.push_back(one);
    }
  }
  given["rows"] = rows;
  const std::string file = folder.write("r.json", given.dump());
  const auto done = test::convoy("calibrate " + file + " --device jetson-orin-nano-8gb -o " +
                                 std::string(folder.path() / "mine.toml") + " --json");
  ASSERT_EQ(done.status, 0) << done.err;
  const auto before = test::convoy(
      "predict --device jetson-orin-nano-8gb --power-mode 15W --model "
      "resnet18 --classes 10 --mode training --optimizer sgd-momentum "
      "--batch 16 --json");
  const auto after = test::convoy("predict --device " + std::string(folder.path() / "mine.toml") +
                                  " --power-mode 15W --model resnet18 --classes 10 --mode training "
                                  "--optimizer sgd-momentum --batch 16 --json");
  ASSERT_EQ(after.status, 0) << after.err;
  const double ratio =
      double(json::parse(after.out)["seconds"]) / double(json::parse(before.out)["seconds"]);
  EXPECT_NEAR(ratio, 1.25, 0.1);
}

}  // namespace
}  // namespace convoy::platforms
