// Tests rows of measurements: used rows, unused rows with reasons, and refused files.

#include "platforms/measurements.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "tests/support/files.hpp"

namespace convoy::platforms {
namespace {

using testing::HasSubstr;
using Metric = Measurement::Metric;

constexpr const char* heading = "device,mode,model,batch,precision,framework,metric,value,unit\n";

class Rows : public testing::Test {
 protected:
  Measurements read(const std::string& text) {
    Measurements all;
    read_measurements(folder_.write("m.csv", text), all);
    return all;
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  }
  Measurements right(const std::string& rows, const std::string& odd) {
    Measurements all = read(heading + rows);
    set_right(all, folder_.write("odd.toml", odd));
    return all;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Rows, AnOddRowThatNamesNoneIsTold) {
  const Measurements all =
      right("d,MAXN,resnet50,8,fp32,PyTorch,infer_latency,12,ms\n",
            "[[row]]\nmodel = \"resnet50\"\nmode = \"MAXM\"\nreason = \"it was hot\"\n");
  EXPECT_EQ(all.rows.size(), 1U);
  ASSERT_EQ(all.unused.size(), 1U);
  EXPECT_EQ(all.unused[0].place, "odd.toml: row.0");
  EXPECT_THAT(all.unused[0].what, HasSubstr("MAXM"));
}

TEST_F(Rows, OfFiguresAreStepsAndDraws) {
  const Measurements all =
      read(std::string(heading) +
           "d (A02),MAXN,resnet50 (224),8,fp32 (inferred),PyTorch,infer_latency,12,ms\n"
           "d,MAXN,fcn_resnet50 (512x384),1,amp fp16,PyTorch,infer_latency,2,s (about)\n"
           "d,-,bert-large (seq 128),4,float16,PyTorch,train_step_time,3,s\n"
           "d,MAXN,resnet18,8,fp32,PyTorch,train_throughput,4,img/s\n"
           "d,MAXN,resnet18,8,fp32,PyTorch,infer_power_3_rails,2500,mW\n"
           "d,MAXN,\"none, here\",,,PyTorch,idle_power_VDD,1.5,W\n");
  ASSERT_EQ(all.rows.size(), 6U);
  const auto& r = all.rows;
  EXPECT_EQ(r[0].device, "d");
  EXPECT_EQ(r[0].model, "resnet50");
  EXPECT_EQ(r[0].options.image_size, 224);
  EXPECT_EQ(r[0].options.classes, 1000);
  EXPECT_DOUBLE_EQ(r[0].value, 0.012);
  EXPECT_EQ(r[0].precision, engine::Precision::fp32);
  EXPECT_EQ(r[1].options.image_width, 512);
  EXPECT_EQ(r[1].options.image_size, 384);
  EXPECT_EQ(r[1].options.classes, 21);
  EXPECT_EQ(r[1].precision, engine::Precision::fp16_mixed);
  EXPECT_EQ(r[2].mode, "");
  EXPECT_EQ(r[2].options.sequence, 128);
  EXPECT_TRUE(r[2].training);
  EXPECT_EQ(r[2].precision, engine::Precision::fp16_mixed);  // training needs fp16-mixed
  EXPECT_DOUBLE_EQ(r[3].value, 2);                           // 8 images at 4 a second
  EXPECT_EQ(r[4].metric, Metric::power);
  EXPECT_DOUBLE_EQ(r[4].value, 2.5);
  EXPECT_EQ(r[5].metric, Metric::idle_power);
  EXPECT_EQ(r[5].place, "m.csv:7");
  EXPECT_TRUE(all.unused.empty());
  // The cost of a step follows from all of these columns.
  EXPECT_GT(step_of(r[0]).flops(), 8 * 8e9);
  EXPECT_GT(step_of(r[3]).flops(), 3 * 8 * 3e9);
}

TEST_F(Rows, OfWhatIsNotKnownAreNamedWithTheReason) {
  const Measurements all = read(std::string(heading) +
                                "d,MAXN,yolo (640),1,fp32,PyTorch,infer_latency,12,ms\n"
                                "d,MAXN,resnet50,1,int8,PyTorch,infer_latency,12,ms\n"
                                "d,MAXN,resnet50,1,fp32,PyTorch,train_epoch_time,12,s\n"
                                "d,MAXN,resnet50 (big),1,fp32,PyTorch,infer_latency,12,ms\n"
                                "d,MAXN,resnet50,1,fp16,TensorRT 8,infer_latency,12,ms\n"
                                "d,MAXN,resnet50 (seq 128),1,fp32,PyTorch,infer_latency,12,ms\n"
                                "d,MAXN,bert-large (512),1,fp32,PyTorch,infer_latency,12,ms\n"
                                "d,MAXN,vit-small (100),1,fp32,PyTorch,infer_latency,12,ms\n");
  EXPECT_TRUE(all.rows.empty());
  ASSERT_EQ(all.unused.size(), 8U);
  EXPECT_EQ(all.unused[0].reason, "no such model here");
  EXPECT_EQ(all.unused[0].what, "d MAXN yolo (640)");
  EXPECT_EQ(all.unused[1].reason, "precision int8");
  EXPECT_EQ(all.unused[2].reason, "metric train_epoch_time");
  EXPECT_EQ(all.unused[3].reason, "no such model here");
  EXPECT_EQ(all.unused[4].reason, "framework TensorRT 8");
  EXPECT_THAT(all.unused[5].reason, HasSubstr("has no tokens"));
  EXPECT_THAT(all.unused[6].reason, HasSubstr("has no image"));
  EXPECT_THAT(all.unused[7].reason, HasSubstr("vit-small: "));
}

TEST_F(Rows, ThatAreNoneAreRefusedWithTheirPlace) {
  const auto row = [&](const std::string& text) { return refusal(heading + text + "\n"); };
  EXPECT_THAT(row("d,MAXN,resnet50,1,fp32,PyTorch,infer_latency,-2,ms"),
              HasSubstr("m.csv:2: value"));
  EXPECT_THAT(row("d,MAXN,resnet50,1,fp32,PyTorch,infer_latency,nan,ms"),
              HasSubstr("m.csv:2: value"));
  EXPECT_THAT(row("d,MAXN,resnet50,1,fp32,PyTorch,infer_latency,,ms"), HasSubstr("m.csv:2: value"));
  EXPECT_THAT(row("d,MAXN,resnet50,1,fp32,PyTorch,infer_latency,2,W"), HasSubstr("m.csv:2: unit"));
  EXPECT_THAT(row("d,MAXN,resnet50,0,fp32,PyTorch,infer_latency,2,ms"),
              HasSubstr("m.csv:2: batch"));
  EXPECT_THAT(row("d,MAXN,resnet50,1.5,fp32,PyTorch,infer_latency,2,ms"),
              HasSubstr("m.csv:2: batch"));
  EXPECT_THAT(row("d,MAXN,resnet50,1,fp32"), HasSubstr("has 5 cells"));
  EXPECT_THAT(refusal("device,metric\n"), HasSubstr("no column mode"));
  EXPECT_THAT(refusal("a,b\n"), HasSubstr("model and latency_ms"));
}

TEST_F(Rows, OddOnesAreSetRightByNameAndReason) {
  const std::string rows =
      "d,15W,resnet50,1,fp32,PyTorch,infer_latency,12,ms\n"
      "d,15W,resnet18,1,fp32,PyTorch,infer_power,12,W\n"
      "e,-,resnet18,1,fp32,PyTorch,infer_latency,12,ms\n";
  const Measurements all = right(rows,
                                 "[[row]]\ndevice = \"d\"\nmode = \"15W\"\nas_mode = \"15W_ALL\"\n"
                                 "reason = \"awake\"\n"
                                 "[[row]]\nmetric = \"power\"\nreason = \"rail\"\n"
                                 "[[row]]\nmode = \"-\"\nas_device = \"f\"\nas_mode = \"MAXN\"\n"
                                 "reason = \"told\"\n");
  ASSERT_EQ(all.rows.size(), 2U);
  EXPECT_EQ(all.rows[0].mode, "15W_ALL");
  EXPECT_EQ(all.rows[0].adjusted, "awake");
  EXPECT_EQ(all.rows[1].device + all.rows[1].mode, "fMAXN");
  ASSERT_EQ(all.unused.size(), 1U);
  EXPECT_EQ(all.unused[0].reason, "odd: rail");
  for (const char* wrong :
       {"[[row]]\ndevice = \"d\"\n", "[[row]]\nreason = \"x\"\nmod = \"15W\"\n",
        "[[row]]\nreason = \"x\"\n", "[[row]]\nreason = \"x\"\nmetric = \"speed\"\n", "[[row]\n"}) {
    EXPECT_THROW(right(rows, wrong), base::UserError) << wrong;
  }
}

TEST_F(Rows, ThatContradictEachOtherAreRefusedByBothPlaces) {
  const auto agree = [&](const std::string& more) -> std::string {
    try {
      require_agreement(read(std::string(heading) +
                             "d,MAXN,resnet50,1,fp32,PyTorch,infer_latency,10,ms\n" + more));
    } catch (const base::UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(agree("d,MAXN,resnet50,1,fp32,PyTorch 2.8,infer_latency,14,ms\n"), "");
  EXPECT_EQ(agree("d,MAXN,resnet50,2,fp32,PyTorch 2.8,infer_latency,40,ms\n"), "");
  EXPECT_EQ(agree("d,MAXN,resnet50,1,fp16,PyTorch 2.8,infer_latency,40,ms\n"), "");
  EXPECT_EQ(agree("d,MAXN,resnet50 (128),1,fp32,PyTorch 2.8,infer_latency,40,ms\n"), "");
  const std::string refused = agree("d,MAXN,resnet50,1,fp32,PyTorch 2.8,infer_latency,40,ms\n");
  EXPECT_THAT(refused, HasSubstr("m.csv:2 and m.csv:3 contradict each other"));
  EXPECT_THAT(refused, HasSubstr("0.01 and 0.04 s"));
  EXPECT_NE(agree("d,MAXN,resnet50,1,fp32,PyTorch 2.8,infer_latency,4,ms\n"), "");
}

// Cells written by csv_cell() are read unchanged.
TEST(CsvReader, QuotedCellsMayHoldAnything) {
  const std::vector<std::string> cells = {"plain", "a, b",   "say \"so\"", "\"",
                                          "\"\"",  ",",      "",           " blank",
                                          "x\",",  "\", \"", "5\" tube",   "a\"b"};
  std::string text = "one,two,three\n";
  for (const std::string& a : cells) {
    for (const std::string& b : cells) {
      text += base::csv_cell(a) + "," + base::csv_cell(b) + " , last\n";
    }
  }
  base::CsvReader csv(text, "t.csv");
  for (const std::string& a : cells) {
    for (const std::string& b : cells) {
      ASSERT_TRUE(csv.next()) << a << " " << b;
      // Blanks around a cell without quotation marks do not count.
      EXPECT_EQ(csv.cell(0), a == " blank" ? "blank" : a);
      EXPECT_EQ(csv.cell(1), b == " blank" ? "blank" : b);
      EXPECT_EQ(csv.cell(2), "last");
    }
  }
  EXPECT_FALSE(csv.next());
}

}  // namespace
}  // namespace convoy::platforms
