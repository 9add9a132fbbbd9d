// convoy predict and calibrate: what they say, and what they say no to.

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
              HasSubstr("it has rows of other; name one by --rows"));
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
              HasSubstr("rows of 1 models"));
  const auto median = [&](const std::string& text) {
    const auto out =
        convoy("calibrate " + folder.write("l.csv", text) + " --device jetson-nano --json");
    return nlohmann::json::parse(out.out);
  };
  EXPECT_EQ(median(rows(",batch", ",8")), median(rows(",input", ",8x3x224x224")));
  EXPECT_NE(median(rows(",batch", ",8")), median(rows("", "")));
}

}  // namespace
}  // namespace convoy
