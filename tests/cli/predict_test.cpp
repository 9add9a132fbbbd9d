// Tests convoy predict and calibrate: their output, and what they refuse.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

using test::convoy;
using testing::HasSubstr;

TEST(Predict, SaysWhereTheTimeGoes) {
  const auto out = convoy("predict --device jetson-nano --model resnet18 --precision fp16");
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_THAT(out.out, HasSubstr("Inference of resnet18, batch 1, fp16, on jetson-nano (MAXN)"));
  EXPECT_THAT(out.out, HasSubstr("convolution"));
  EXPECT_THAT(out.out, HasSubstr("launching 68 kernels"));
  EXPECT_THAT(out.out, HasSubstr("assumed"));
}

TEST(Predict, TrainingTakesLongerThanInferenceAndNeedsMemory) {
  const auto seconds = [](const std::string& options) {
    const auto out =
        convoy("predict --device jetson-orin-nano-8gb --model resnet50 --json " + options);
    EXPECT_EQ(out.status, 0) << out.err;
    return nlohmann::json::parse(out.out);
  };
  const auto inference = seconds("--batch 8");
  const auto training = seconds("--batch 8 --mode training --optimizer adamw");
  EXPECT_GT(training["seconds"], 2 * inference["seconds"].get<double>());
  EXPECT_GT(training["memory_bytes"], 4e8);
  EXPECT_LT(seconds("--batch 8 --all-exits --rate 0.5")["seconds"], inference["seconds"]);
  const auto much = convoy(
      "predict --device jetson-nano --model vit-b16 --mode training --batch 64 --optimizer adan");
  EXPECT_THAT(much.out, HasSubstr("DOES NOT FIT"));
}

TEST(Predict, AModelsOtherSpellingIsTheSameModel) {
  const auto predicted = [](const std::string& model) {
    return convoy("predict --device jetson-nano --batch 4 --mode training --json --model " + model);
  };
  const auto out = predicted("mobilenetv2");
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_EQ(out.out, predicted("mobilenet_v2").out);
  EXPECT_EQ(nlohmann::json::parse(out.out)["model"], "mobilenet_v2");
  EXPECT_EQ(predicted("efficientnet_b1").out, predicted("efficientnet-b1").out);
  EXPECT_THAT(predicted("efficientnetb1").err, HasSubstr("did you mean \"efficientnet"));
}

TEST(Predict, WhatIsNotKnownIsSaid) {
  const auto device = convoy("predict --device jetson-nani --model resnet18");
  EXPECT_EQ(device.status, 2);
  EXPECT_THAT(device.err, HasSubstr("did you mean \"jetson-nano\"?"));
  const auto model = convoy("predict --device jetson-nano --model resnet19");
  EXPECT_EQ(model.status, 2);
  EXPECT_THAT(model.err, HasSubstr("resnet18"));
  EXPECT_THAT(convoy("predict --device jetson-nano --model mlp --power-mode 7W").err,
              HasSubstr("it has MAXN and 5W"));
  EXPECT_EQ(convoy("predict --device jetson-nano --model mlp --precision int8").status, 2);
}

TEST(Predict, SaysHowFarOffItMayBe) {
  const auto fitted = convoy("predict --device jetson-agx-orin-64gb --model resnet50");
  EXPECT_THAT(fitted.out, HasSubstr("in nine of ten measured cases the error was below"));
  EXPECT_THAT(convoy("predict --device jetson-orin-nano-8gb --model resnet50").out,
              HasSubstr("nobody has measured the error of such a prediction on this device"));
  // Measured FP16 inferences do not tell the error of training or FP32.
  for (const char* other : {"--mode training", "--precision fp32"}) {
    EXPECT_THAT(
        convoy("predict --device jetson-agx-xavier-32gb --model resnet50 " + std::string(other))
            .out,
        HasSubstr("nobody has measured the error of such a prediction on this device"));
  }
}

TEST(Predict, PrecisionIsThatOfPyTorch) {
  const auto said = [](const std::string& options) {
    const auto out =
        convoy("predict --power-mode MAXN --model resnet50 --batch 16 --json " + options);
    EXPECT_EQ(out.status, 0) << out.err;
    return nlohmann::json::parse(out.out);
  };
  const auto seconds = [&](const std::string& options) {
    return said(options)["seconds"].get<double>();
  };
  const std::string orin = "--device jetson-agx-orin-64gb ";
  const std::string nano = "--device jetson-nano ";
  EXPECT_GT(seconds(orin + "--precision fp32-strict"), seconds(orin));
  EXPECT_EQ(seconds(nano + "--precision fp32-strict"), seconds(nano));
  EXPECT_LT(seconds(orin + "--precision fp16"), seconds(orin));
  EXPECT_LT(seconds(orin + "--mode training --precision fp16-mixed"),
            seconds(orin + "--mode training"));
  EXPECT_LT(said(orin + "--mode training --precision fp16-mixed")["memory_bytes"],
            said(orin + "--mode training")["memory_bytes"]);
  EXPECT_NEAR(said(orin)["joules"].get<double>() / said(orin)["watts"].get<double>(), seconds(orin),
              1e-12);
  EXPECT_EQ(
      convoy("predict --device jetson-nano --model mlp --mode training --precision fp16").status,
      2);
  const auto none = convoy("predict --device server-generic --model mlp --precision fp16");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("no half precision"));
}

TEST(Predict, WhatAModelHasNoUseForIsRefused) {
  const std::string nano = "predict --device jetson-nano --model ";
  for (const char* option : {"--image-size 64", "--image-width 64"}) {
    const auto text = convoy(nano + "bert-small " + option);
    EXPECT_EQ(text.status, 2) << option;
    EXPECT_THAT(text.err, HasSubstr("reads tokens and has no image"));
  }
  const auto image = convoy(nano + "resnet18 --sequence 64");
  EXPECT_EQ(image.status, 2);
  EXPECT_THAT(image.err, HasSubstr("reads images and has no tokens"));
}

TEST(Calibrate, WhatIsWrongInAFileIsNamed) {
  const test::TemporaryFolder folder;
  const auto trying = [&](const std::string& text) {
    return convoy("calibrate " + folder.write("l.csv", text) + " --device jetson-nano").err;
  };
  EXPECT_THAT(trying(""), HasSubstr("is empty"));
  EXPECT_THAT(trying("a,b\n1,2\n"), HasSubstr("model and latency_ms"));
  EXPECT_THAT(trying("model,latency_ms\nresnet18,-3\n"), HasSubstr("l.csv:2: latency_ms"));
  EXPECT_THAT(trying("model,latency_ms\nresnet18,3\n"), HasSubstr("at least 5"));
  EXPECT_THAT(trying("model,latency_ms,input\nresnet18,3,big\n"), HasSubstr("l.csv:2: input"));
  EXPECT_THAT(trying("device,model,latency_ms\nother,resnet18,3\n"),
              HasSubstr("it has rows of other; give one of them as --rows"));
  const auto rows = [](const std::string& heading, const std::string& more) {
    std::string text = "model,latency_ms" + heading + "\n";
    for (const char* model : {"alexnet", "resnet18", "resnet50", "vgg16", "squeezenet1_1"}) {
      text += fmt::format("{},20{}\n", model, more);
    }
    return text;
  };
  EXPECT_EQ(trying(rows("", "")), "");
  EXPECT_THAT(trying(rows(",batch", ",0")), HasSubstr("l.csv:2: batch"));
  EXPECT_THAT(trying(rows(",input,batch", ",4x3x224x224,8")), HasSubstr("is another than"));
  EXPECT_THAT(trying(rows(",clock_hz", ",1e9")), HasSubstr("not used: column clock_hz"));
  EXPECT_THAT(trying("model,latency_ms\n" + std::string("alexnet,3\nalexnet,3\nalexnet,3\n") +
                     "alexnet,3\nalexnet,3\nalexnet,3\n"),
              HasSubstr("rows of 1 known models"));
  const auto median = [&](const std::string& text) {
    const auto out =
        convoy("calibrate " + folder.write("l.csv", text) + " --device jetson-nano --json");
    return nlohmann::json::parse(out.out);
  };
  EXPECT_EQ(median(rows(",batch", ",8")), median(rows(",input", ",8x3x224x224")));
  EXPECT_NE(median(rows(",batch", ",8")), median(rows("", "")));
}

// Rows of AGX Orin in two modes, predicted by its file with changed efficiencies.
std::string measured_rows() {
  std::string text = "device,mode,model,batch,precision,metric,value,unit\n";
  for (const char* mode : {"MAXN", "50W"}) {
    for (const char* model :
         {"resnet18", "resnet50", "mobilenet_v2", "vgg16", "alexnet", "densenet121"}) {
      const auto out = convoy(fmt::format(
          "predict --device jetson-agx-orin-64gb --power-mode {} --model {} --batch 8 --json", mode,
          model));
      const auto json = nlohmann::json::parse(out.out);
      text += fmt::format("jetson-agx-orin-64gb,{},{},8,fp32,infer_latency,{},ms\n", mode, model,
                          1.2 * json["latency_ms"].get<double>());
      text += fmt::format("jetson-agx-orin-64gb,{},{},8,fp32,infer_power,{},W\n", mode, model,
                          0.9 * json["watts"].get<double>());
    }
    text += fmt::format("jetson-agx-orin-64gb,{},-,,,idle_power,5,W\n", mode);
  }
  return text;
}

TEST(Calibrate, FitsModesTogetherAndSaysWhatAModeLeftOutIsWorth) {
  const test::TemporaryFolder folder;
  const std::string rows = folder.write("m.csv", measured_rows());
  const std::string file = (folder.path() / "mine.toml").string();
  const auto out = convoy("calibrate " + rows + " --device jetson-agx-orin-64gb -o " + file);
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_THAT(out.out, HasSubstr("Absolute error of modes left out"));
  EXPECT_THAT(out.out, HasSubstr("Draws (12 rows)"));
  EXPECT_THAT(out.out, HasSubstr("attention efficiency 0.35 (assumed)"));
  const std::string text = test::read_file(file);
  EXPECT_THAT(text, HasSubstr("idle_w = { value = 5, origin = \"measured\""));
  EXPECT_THAT(text, HasSubstr("to 12 step times in fp32, 2 modes"));
  EXPECT_THAT(text, HasSubstr("[uncertainty]"));
  // Figures that were not fitted keep every digit: half precision, 30W, the clocks.
  EXPECT_THAT(text, HasSubstr("gpu_hz = { value = 1300500000, origin = \"datasheet\""));
  EXPECT_THAT(text, HasSubstr("convolution = { value = 0.421, origin = \"assumed\""));
  // The fitted device predicts the rows.
  const auto checked = convoy("validate " + rows + " --json");
  ASSERT_EQ(checked.status, 0) << checked.err;
  const auto again =
      convoy("predict --device " + file + " --power-mode MAXN --model resnet50 --batch 8 --json");
  const auto once = convoy(
      "predict --device jetson-agx-orin-64gb --power-mode MAXN --model resnet50 "
      "--batch 8 --json");
  EXPECT_NEAR(nlohmann::json::parse(again.out)["seconds"].get<double>() /
                  nlohmann::json::parse(once.out)["seconds"].get<double>(),
              1.2, 0.06);
}

TEST(Calibrate, AModeThatADeviceHasNotAndAPrecisionThatItCannotDo) {
  const test::TemporaryFolder folder;
  const auto trying = [&](const std::string& text, const std::string& device) {
    return convoy("calibrate " + folder.write("m.csv", text) + " --device " + device).err;
  };
  const std::string heading = "device,mode,model,latency_ms,precision\n";
  EXPECT_THAT(trying(heading + "jetson-nano,20W,resnet18,3,fp32\n", "jetson-nano"),
              HasSubstr("m.csv:2: no mode \"20W\": jetson-nano has MAXN and 5W"));
  EXPECT_THAT(trying(heading + "server-generic,default,resnet18,3,fp16\n", "server-generic"),
              HasSubstr("m.csv:2: server-generic has no half precision"));
  std::string rows = measured_rows();
  rows += "jetson-agx-orin-64gb,MAXN,vgg16,8,fp32,infer_latency,9999,ms\n";
  EXPECT_THAT(trying(rows, "jetson-agx-orin-64gb"), HasSubstr("contradict each other"));
}

TEST(Validate, TellsFittedFromLeftOutAndWhatIsNotCompared) {
  const test::TemporaryFolder folder;
  const std::string rows = folder.write(
      "m.csv", measured_rows() + "jetson-agx-orin-64gb,MAXN,yolo,1,fp32,infer_latency,9,ms\n" +
                   "jetson-agx-orin-64gb,70W,vgg16,1,fp32,infer_latency,9,ms\n" +
                   "toaster,MAXN,vgg16,1,fp32,infer_latency,9,ms\n");
  const std::string page = (folder.path() / "page.html").string();
  const auto out = convoy("validate " + rows + " -o " + page);
  ASSERT_EQ(out.status, 0) << out.err;
  for (const char* said :
       {"jetson-agx-orin-64gb: step times", "of models left out of a fit (12 rows)",
        "of modes left out of a fit (12 rows)", "Not compared, 3 rows", "1 x no such model here",
        "1 x no such device in the catalogue", "it has 15W, 30W"}) {
    EXPECT_THAT(out.out, HasSubstr(said));
  }
  const std::string html = test::read_file(page);
  EXPECT_THAT(html, HasSubstr("<svg"));
  EXPECT_THAT(html, HasSubstr("toaster"));
  EXPECT_THAT(convoy("validate " + rows + " --markdown").out,
              HasSubstr("| jetson-agx-orin-64gb | step times | all |"));
  const auto json = nlohmann::json::parse(convoy("validate " + rows + " --json").out);
  // The measured values are 1.2 times the predicted ones.
  EXPECT_NEAR(json["groups"][0]["predicted"]["median_error"].get<double>(), 1 - 1 / 1.2, 1e-3);
  EXPECT_LT(json["groups"][0]["models_left_out"]["median_error"], 0.1);
  EXPECT_EQ(json["not_compared"].size(), 3U);
  // An existing page is not overwritten; rows with unknown models give no comparison.
  EXPECT_EQ(convoy("validate " + rows + " -o " + page).status, 2);
  const auto nothing = convoy("validate " + folder.write("n.csv", "model,latency_ms\nyolo,3\n"));
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, HasSubstr("no row has a model"));
}

}  // namespace
}  // namespace convoy
