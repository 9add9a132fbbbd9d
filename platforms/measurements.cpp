#include "platforms/measurements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <tuple>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/table_reader.hpp"
#include "base/text.hpp"
#include "base/value.hpp"
#include "engine/model/submodel.hpp"
#include "platforms/self_test_report.hpp"

namespace convoy::platforms {
namespace {

using engine::Precision;
using Metric = Measurement::Metric;

// "jetson-nano (A02)" -> "jetson-nano"
std::string without_bracket(std::string_view text) {
  return std::string(base::trimmed(text.substr(0, text.find('('))));
}

std::string in_bracket(std::string_view text) {
  const std::size_t from = text.find('(');
  if (from == text.npos) return "";
  text.remove_prefix(from + 1);
  return std::string(text.substr(0, text.find(')')));
}

std::optional<int> whole(std::string_view text, int most) {
  const double n = base::parse_number(base::trimmed(text));
  if (!(n >= 1 && n <= most && n == std::floor(n))) return std::nullopt;
  return static_cast<int>(n);
}

constexpr int widest = 4096;  // pixels
constexpr int largest_batch = 1 << 20;

// Rows of training in half precision mean autocast, since nobody trains in half precision alone.
std::optional<Precision> precision_of(std::string_view given, bool training) {
  const std::string text = base::in_small_letters(std::string(given));
  const std::string word = text.substr(0, text.find(' '));
  const bool half = word == "fp16" || word == "float16" || word == "half";
  if (word == "amp" || (half && (training || text.find("amp") != text.npos))) {
    return Precision::fp16_mixed;
  }
  if (half) return Precision::fp16;
  if (word.empty() || word == "float32") return Precision::fp32;
  return value_of(engine::precision_words, word);
}

// False: unknown architecture, or unsupported input.
bool set_model(std::string_view text, Measurement& row) {
  row.model = engine::architecture_name(without_bracket(text));
  const auto& known = engine::architecture_names();
  if (std::find(known.begin(), known.end(), row.model) == known.end()) return false;
  row.options.architecture = row.model;
  row.options.exits = {1.0};
  row.options.classes = 1000;
  const std::string input = in_bracket(text);
  if (input.empty()) return true;
  if (input.starts_with("seq ")) {
    const auto tokens = whole(std::string_view(input).substr(4), widest);
    if (tokens) row.options.sequence = *tokens;
    return tokens.has_value();
  }
  const std::size_t x = input.find('x');
  const auto width = whole(std::string_view(input).substr(0, x), widest);
  const auto height =
      x == input.npos ? width : whole(std::string_view(input).substr(x + 1), widest);
  if (!width || !height) return false;
  row.options.image_size = *height;
  if (*width != *height) row.options.image_width = *width;
  return true;
}

// Why there is no such model, or empty. Classes of those that label pixels are VOC's 21, as their
// pages have them.
std::string complete(Measurement& row) {
  constexpr int voc = 21;
  try {
    const engine::Architecture a = engine::make_architecture(row.options);
    const bool text = a.input == engine::InputKind::tokens;
    if (text && row.options.image_size) return "it reads tokens and has no image";
    if (!text && row.options.sequence) return "it reads images and has no tokens";
    if (a.per_pixel) row.options.classes = voc;
    return "";
  } catch (const base::UserError& e) {
    return e.what();
  }
}

// One file, by its columns.
class Reader {
 public:
  Reader(const std::string& file, Measurements& into)
      : text_(base::read_text_file(file)), csv_(text_, file), file_(file), into_(into) {}

  void read() {
    const bool figures = csv_.column("metric") >= 0;
    if (!figures && (csv_.column("model") < 0 || csv_.column("latency_ms") < 0)) {
      throw base::UserError(
          file_ +
          ": the columns model and latency_ms are needed, or device, mode, model, "
          "batch, precision, metric, value and unit");
    }
    if (figures) {
      for (const char* name : {"device", "mode", "model", "batch", "precision", "value", "unit"}) {
        if (csv_.column(name) < 0) {
          throw base::UserError(fmt::format("{}: has metric, but no column {}", file_, name));
        }
      }
    } else {
      static const std::vector<std::string> known = {
          "device", "mode",  "model",      "precision",
          "batch",  "input", "latency_ms", "throughput_img_per_s",
          "source"};
      for (const std::string& column : csv_.columns()) {
        if (std::find(known.begin(), known.end(), column) == known.end()) {
          into_.unused_columns.push_back(base::printable(column));
        }
      }
    }
    while (csv_.next()) figures ? read_figure() : read_latency();
  }

 private:
  [[nodiscard]] std::string_view cell(const char* column) const {
    const int at = csv_.column(column);
    return at < 0 ? std::string_view() : csv_.cell(at);
  }
  [[nodiscard]] std::string place() const {
    return fmt::format("{}:{}", std::filesystem::path(file_).filename().string(), csv_.line());
  }
  void unused(std::string reason) {
    into_.unused.push_back(
        {place(),
         base::printable(fmt::format("{} {} {}", cell("device"), cell("mode"), cell("model"))),
         std::move(reason)});
  }

  // Reads the common columns of both forms. False: the row was noted as unused.
  bool begin(Measurement& row) {
    row.place = place();
    row.device = without_bracket(cell("device"));
    const std::string_view mode = cell("mode");
    if (mode != "-" && !mode.starts_with("not stated")) row.mode = std::string(mode);
    row.source = std::string(cell("source"));
    const auto precision = precision_of(cell("precision"), row.training);
    if (!precision) {
      unused(fmt::format("precision {}", base::printable(std::string(cell("precision")))));
      return false;
    }
    row.precision = *precision;
    return true;
  }

  bool model(Measurement& row) {
    if (!set_model(cell("model"), row)) {
      unused("no such model here");
      return false;
    }
    const std::string wrong = complete(row);
    if (!wrong.empty()) unused(row.model + ": " + wrong);
    return wrong.empty();
  }

  // Of what is there; 1 where it is empty.
  void batch(Measurement& row) {
    const std::string_view given = cell("batch");
    if (given.empty()) return;
    const auto n = whole(given, largest_batch);
    if (!n) csv_.fail(csv_.column("batch"), "a number of samples from 1 is expected");
    row.batch = *n;
  }

  void read_latency() {
    Measurement row;
    if (!begin(row) || !model(row)) return;
    input(row);
    batch(row);
    const std::string wrong = complete(row);
    if (!wrong.empty()) return unused(row.model + ": " + wrong);
    const int column = csv_.column("latency_ms");
    const double ms = csv_.number(column);
    if (!(ms > 0 && ms < 1e7)) csv_.fail(column, "milliseconds above 0 are expected");
    row.value = ms / 1e3;
    into_.rows.push_back(std::move(row));
  }

  // "1x3x224x224"
  void input(Measurement& row) {
    const int column = csv_.column("input");
    if (column < 0 || csv_.cell(column).empty()) return;
    std::string_view text = csv_.cell(column);
    std::vector<int> numbers;
    while (!text.empty()) {
      const std::size_t x = text.find('x');
      const auto n = whole(text.substr(0, x), widest);
      if (!n) break;
      numbers.push_back(*n);
      text.remove_prefix(x == text.npos ? text.size() : x + 1);
    }
    if (numbers.size() != 4 || !text.empty()) {
      csv_.fail(column, "BATCHxCHANNELSxHEIGHTxWIDTH is expected, such as 1x3x224x224");
    }
    row.batch = numbers[0];
    row.options.channels = numbers[1];
    row.options.image_size = numbers[2];
    if (numbers[3] != numbers[2]) row.options.image_width = numbers[3];
    const std::string_view given = cell("batch");
    if (!given.empty() && whole(given, largest_batch) != row.batch) {
      csv_.fail(csv_.column("batch"), "is another than the first number of the column input");
    }
  }

  void read_figure() {
    const std::string_view metric = cell("metric");
    Measurement row;
    const bool infers = metric.starts_with("infer_");
    row.training = metric.starts_with("train_");
    const bool power = metric.starts_with("infer_power") || metric.starts_with("train_power");
    const bool idle = metric.starts_with("idle_power");
    const bool time = metric == "infer_latency" || metric == "train_step_time";
    const bool rate = metric == "train_throughput" || metric == "infer_throughput";
    if (!idle && !((infers || row.training) && (power || time || rate))) {
      return unused(fmt::format("metric {}", base::printable(std::string(metric))));
    }
    const std::string_view framework = cell("framework");
    if (!idle && framework.size() > 1 && !framework.starts_with("PyTorch")) {
      return unused(fmt::format("framework {}", base::printable(std::string(framework))));
    }
    if (!begin(row)) return;
    if (!idle) {
      if (!model(row)) return;
      batch(row);
    }
    const int column = csv_.column("value");
    const double value = csv_.number(column);
    const std::string unit = without_bracket(cell("unit"));
    if (!(value > 0 && value < 1e9)) csv_.fail(column, "a number above 0 is expected");
    if (power || idle) {
      row.metric = idle ? Metric::idle_power : Metric::power;
      row.value = in_unit(value, unit, {{"W", 1}, {"mW", 1e-3}});
    } else if (time) {
      row.value = in_unit(value, unit, {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}});
    } else {
      row.value = row.batch / in_unit(value, unit, {{"img/s", 1}, {"samples/s", 1}});
    }
    into_.rows.push_back(std::move(row));
  }

  double in_unit(double value, const std::string& unit,
                 const std::map<std::string, double>& known) const {
    const auto found = known.find(unit);
    if (found != known.end()) return value * found->second;
    std::vector<std::string> names;
    names.reserve(known.size());
    for (const auto& [name, factor] : known) names.push_back(name);
    csv_.fail(csv_.column("unit"), fmt::format("{} is expected", base::list_of(names, "or")));
  }

  std::string text_;
  base::CsvReader csv_;
  std::string file_;
  Measurements& into_;
};

struct OddRow {
  std::string device, mode, model, source, as_device, as_mode, reason;
  std::optional<std::int64_t> batch;
  std::optional<Metric> metric;
  bool matched = false;

  [[nodiscard]] bool is(const Measurement& row) const {
    const auto same = [](const std::string& wanted, const std::string& there) {
      return wanted.empty() || wanted == there;
    };
    const bool of_mode = mode == "-" ? row.mode.empty() : same(mode, row.mode);
    const bool of_source = row.source.find(source) != std::string::npos;
    return same(device, row.device) && of_mode && of_source && same(model, row.model) &&
           (!batch || *batch == row.batch) && (!metric || *metric == row.metric);
  }
};

std::vector<OddRow> read_odd_rows(const std::string& file) {
  base::Diagnostics problems;
  const base::Value tree = base::read_toml_file(file, problems);
  std::vector<OddRow> all;
  if (!problems.has_errors()) {
    base::TableReader reader(tree, "", problems);
    for (base::TableReader& row : reader.tables("row")) {
      OddRow odd;
      odd.device = row.text("device", "");
      odd.mode = row.text("mode", "");
      odd.model = row.text("model", "");
      odd.source = row.text("source", "");
      odd.as_device = row.text("as_device", "");
      odd.as_mode = row.text("as_mode", "");
      odd.reason = row.text("reason");
      odd.batch = row.maybe_integer("batch", base::at_least(1));
      if (row.has("metric")) odd.metric = row.choice("metric", Measurement::metrics);
      const bool any = !odd.device.empty() || !odd.mode.empty() || !odd.model.empty() ||
                       !odd.source.empty() || odd.batch || odd.metric;
      if (!any) {
        row.error("reason", "which rows? give device, mode, model, batch, metric or source");
      }
      row.finish();
      all.push_back(std::move(odd));
    }
    reader.finish();
  }
  if (problems.has_errors()) throw base::UserError(problems.str());
  return all;
}

std::string described(const Measurement& row) {
  return fmt::format("{} {} {} batch {}", row.device, row.mode, row.model, row.batch);
}

}  // namespace

void read_measurements(const std::string& file, Measurements& into) {
  if (std::filesystem::path(file).extension() == ".json") {
    constexpr std::uintmax_t longest_report = 4 << 20;
    read_report(base::read_file(file, longest_report), file, into);
  } else {
    Reader(file, into).read();
  }
}

void set_right(Measurements& measurements, const std::string& odd_rows_file) {
  std::vector<Measurement> kept;
  std::vector<OddRow> odd = read_odd_rows(odd_rows_file);
  for (Measurement& row : measurements.rows) {
    // One may name a row's device, and one after it its mode.
    bool out = false;
    for (OddRow& o : odd) {
      if (out || !o.is(row)) continue;
      o.matched = true;
      if (!o.as_device.empty()) row.device = o.as_device;
      if (!o.as_mode.empty()) row.mode = o.as_mode;
      out = o.as_device.empty() && o.as_mode.empty();
      if (out) measurements.unused.push_back({row.place, described(row), "odd: " + o.reason});
      row.adjusted += (row.adjusted.empty() ? "" : "; ") + o.reason;
    }
    if (!out) kept.push_back(std::move(row));
  }
  measurements.rows = std::move(kept);
  const std::string name = std::filesystem::path(odd_rows_file).filename().string();
  for (std::size_t i = 0; i < odd.size(); ++i) {
    const OddRow& o = odd[i];
    if (o.matched) continue;
    measurements.unused.push_back({fmt::format("{}: row.{}", name, i),
                                   fmt::format("{} {} {} {}", o.device, o.mode, o.model, o.source),
                                   "an odd row that names no row of these files"});
  }
}

void require_agreement(const Measurements& measurements) {
  constexpr double too_far = 1.5;
  using Key = std::tuple<std::string, std::string, std::string, int, int, int, int, int, double,
                         engine::Optimizer, Precision, bool, Metric>;
  std::map<Key, const Measurement*> first;
  for (const Measurement& row : measurements.rows) {
    if (row.metric == Metric::idle_power) continue;
    const Key key(row.device, row.mode, row.model, row.options.image_size.value_or(0),
                  row.options.image_width.value_or(0), row.options.sequence.value_or(0),
                  row.options.vocabulary.value_or(0), row.batch, row.rate, row.optimizer,
                  row.precision, row.training, row.metric);
    const Measurement& other = *first.emplace(key, &row).first->second;
    const double ratio = row.value / other.value;
    if (ratio < too_far && 1 / ratio < too_far) continue;
    throw base::UserError(fmt::format(
        "{} and {} contradict each other: {}: {:.4g} and {:.4g} {}; take one out, or name it among "
        "the odd rows (--odd)",
        other.place, row.place, described(row), other.value, row.value,
        row.metric == Metric::step_time ? "s" : "W"));
  }
}

engine::StepCost step_of(const Measurement& row) {
  const engine::Architecture a = engine::make_architecture(row.options);
  const engine::Trace trace = engine::trace(a, engine::nested_submodel(a, row.rate));
  return row.training ? engine::training_step(trace, row.optimizer, engine::Phase::weights,
                                              row.batch, row.precision)
                      : engine::inference_step(trace, row.batch, row.precision);
}

}  // namespace convoy::platforms
