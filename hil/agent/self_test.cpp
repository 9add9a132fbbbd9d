#include "hil/agent/self_test.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/diagnostics.hpp"
#include "base/json.hpp"
#include "base/median.hpp"
#include "base/text.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/profile.hpp"
#include "engine/api/setup.hpp"
#include "hil/agent/loopback.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/profiled.hpp"
#include "platforms/roofline.hpp"
#include "platforms/self_test_report.hpp"
#include "sensors/board.hpp"
#include "sensors/sensors.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;
using platforms::Measurement;
using Metric = Measurement::Metric;

// Reads the sensors periodically in its own thread and keeps the readings.
class Watch {
 public:
  explicit Watch(sensors::Sensors& sensors)
      : sensors_(sensors), thread_([this](const std::stop_token& stop) { loop(stop); }) {}

  // Starts a new span of readings.
  void begin() {
    const std::lock_guard lock(mutex_);
    watts_.clear();
    since_ = std::chrono::steady_clock::now();
  }
  // Median draw of the span without its first moments; nothing if there are too few readings.
  [[nodiscard]] std::optional<double> watts() {
    const std::lock_guard lock(mutex_);
    constexpr std::size_t fewest = 3;
    if (watts_.size() < fewest) return std::nullopt;
    return base::median(watts_);
  }

 private:
  static constexpr auto interval = 100ms;
  static constexpr auto settling = 500ms;  // clocks rise first, and sensors average over time

  void loop(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      sensors::SensorReading now;
      try {
        now = sensors_.read();
      } catch (const std::exception&) {
        // Then it has none: sources() and missing() say so.
      }
      if (now.power_w) {
        const std::lock_guard lock(mutex_);
        if (std::chrono::steady_clock::now() - since_ > settling) watts_.push_back(*now.power_w);
      }
      std::this_thread::sleep_for(interval);
    }
  }

  sensors::Sensors& sensors_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  std::vector<double> watts_;
  std::jthread thread_;  // last
};

void put_text(Json& into, const char* key, const std::string& text) {
  if (!text.empty()) into[key] = text;
}

Json json_of(const sensors::Board& board) {
  Json json = Json::object();
  put_text(json, "model", board.model);
  put_text(json, "module", board.module);
  put_text(json, "device", board.device);
  put_text(json, "power_mode", board.power_mode);
  put_text(json, "l4t", board.l4t);
  put_text(json, "jetpack", board.jetpack);
  put_text(json, "system", board.system);
  put_text(json, "kernel", board.kernel);
  put_text(json, "machine", board.machine);
  for (const sensors::BoardFigure& f : board.figures) {
    json["figures"][f.name] = {{"value", f.value}, {"where", f.where}};
  }
  return json;
}

Json json_of(const sensors::SensorReading& r) {
  Json json = Json::object();
  const auto put = [&](const char* key, const std::optional<double>& value) {
    if (value) json[key] = *value;
  };
  put("power_w", r.power_w);
  put("temperature_c", r.temperature_c);
  put("cpu_load", r.cpu_load);
  put("gpu_load", r.gpu_load);
  put("memory_used_bytes", r.memory_used_bytes);
  put("memory_total_bytes", r.memory_total_bytes);
  return json;
}

Json json_of(const LoopbackResult& r) {
  Json json = {{"good", r.failure.empty()}};
  put_text(json, "failure", r.failure);
  if (!r.failure.empty()) return json;
  json["joined_s"] = r.joined_s;
  json["task_s"] = r.task_s;
  json["training_s"] = r.training_s;
  json["sent_bytes"] = r.sent_bytes;
  json["received_bytes"] = r.received_bytes;
  json["samples"] = r.samples;
  json["loss"] = std::isfinite(r.loss) ? Json(r.loss) : Json(fmt::format("{}", r.loss));
  json["same_bits"] = r.same_bits;
  json["largest_difference"] = r.largest_difference;
  return json;
}

// The catalogue's data about this board in its present mode.
struct Known {
  std::string device;
  std::string mode;
  std::optional<platforms::Machine> machine;
  std::string why_not;
};

Known known_of(const sensors::Board& board, const AgentConfig& config) {
  Known known;
  known.device = config.type.empty() ? board.device : config.type;
  const auto names = platforms::Catalogue::device_names();
  if (!known.device.empty() && std::find(names.begin(), names.end(), known.device) == names.end()) {
    throw base::UserError(fmt::format("--type: \"{}\" is not in the catalogue{}", known.device,
                                      base::did_you_mean(known.device, names)));
  }
  if (config.device == "cpu") {
    known.why_not = "the CPU computes; the catalogue's devices compute on their GPU";
    return known;
  }
  if (known.device.empty()) {
    known.why_not = "the board is none that the catalogue is known to have; --type names it";
    return known;
  }
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  const platforms::Device* device = catalogue.device(known.device);
  known.mode = sensors::catalogue_mode(board.power_mode, device->mode_names());
  if (known.mode.empty()) {
    known.why_not =
        board.power_mode.empty()
            ? "nvpmodel does not tell its power mode (/var/lib/nvpmodel/status)"
            : fmt::format("{} has no mode \"{}\" in the catalogue", known.device, board.power_mode);
    return known;
  }
  known.machine = platforms::machine(*device, *device->mode(known.mode));
  return known;
}

Json row_of(const engine::ProfileCase& c, Metric metric, double value, const char* unit) {
  Json row = {{"metric", name_of(Measurement::metrics, metric)},
              {"value", value},
              {"unit", unit},
              {"training", true},
              {"precision", name_of(engine::precision_words, engine::Precision::fp32)},
              {"batch", c.batch},
              {"rate", c.rate},
              {"optimizer", name_of(engine::optimizer_words, c.optimizer.cost())}};
  row["model"] = Json::parse(base::to_json(engine::to_table(c.model)));
  return row;
}

class Test {
 public:
  explicit Test(const SelfTestOptions& options)
      : options_(options),
        board_(sensors::read_board(options.config.sensors)),
        known_(known_of(board_, options.config)),
        label_{"self-test-profile", options.config.device, "convoy-node --self-test",
               options.quick},
        sensors_(sensors::Sensors::open({.root = options.config.sensors})),
        watch_(*sensors_) {}

  SelfTest run() {
    begin();
    idle();
    try {
      profile();
      steps();
    } catch (const std::exception& e) {  // out of memory, perhaps; other results are useful
      profile_failure_ = base::printable(e.what());
      report_["profile_failure"] = profile_failure_;
    }
    loopback();
    SelfTest test;
    test.json = report_.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    test.summary = summary();
    test.good = loopback_.failure.empty() && profile_failure_.empty();
    return test;
  }

 private:
  void say(const std::string& what) const {
    if (options_.progress) options_.progress(what);
  }

  void check_interrupted() const {
    if (options_.interrupted != nullptr && *options_.interrupted) throw engine::Stopped();
  }

  void wait(std::chrono::milliseconds span) const {
    const auto until = std::chrono::steady_clock::now() + span;
    while (std::chrono::steady_clock::now() < until) {
      check_interrupted();
      std::this_thread::sleep_for(50ms);
    }
  }

  void begin() {
    report_[platforms::report_key] = platforms::report_version;
    const std::time_t now = std::time(nullptr);
    report_["when"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
    report_["quick"] = options_.quick;
    report_["software"] = options_.software;
    report_["board"] = json_of(board_);
    report_["computes"] = options_.config.device;
    report_["device"] = known_.machine ? known_.device : label_.name;
    report_["power_mode"] = known_.machine ? known_.mode : "default";
    put_text(report_, "not_in_the_catalogue", known_.why_not);
    report_["rows"] = Json::array();
  }

  // Call before any computation.
  void idle() {
    say("what it draws at rest");
    watch_.begin();
    wait(options_.quick ? 1500ms : 10s);
    idle_w_ = watch_.watts();
    Json sensors = {{"sources", Json::object()}, {"missing", sensors_->missing()}};
    for (const auto& s : sensors_->sources()) sensors["sources"][s.quantity] = s.where;
    sensors["reading"] = json_of(sensors_->read());
    report_["sensors"] = std::move(sensors);
  }

  void profile() {
    engine::ProfileOptions measuring;
    measuring.device = options_.config.device;
    measuring.cases = cases_ = engine::profile_cases(options_.quick);
    measuring.quick = options_.quick;
    measuring.interrupted = options_.interrupted;
    measuring.progress = [this](double share, const std::string& what) {
      say(fmt::format("{:.0f} % of its steps: {}", 100 * share, what));
    };
    draws_.resize(cases_.size());
    if (sensors_->read().power_w) {
      measuring.hold_s = options_.quick ? 1.2 : 4;
      measuring.holding = [this](std::size_t which, bool begins) {
        begins ? watch_.begin() : static_cast<void>(draws_[which] = watch_.watts());
      };
    }
    profile_ = engine::measure(measuring);
    found_ = platforms::calibrate(profile_, label_);
    report_["memory"] = {{"capacity_bytes", profile_.capacity},
                         {"capacity_from", profile_.capacity_note},
                         {"available_bytes", profile_.available},
                         {"context_bytes", profile_.context}};
    report_["profile"] = platforms::profiled_toml(profile_, found_, label_);
    report_["profile_errors"] = {{"median", found_.median_error}, {"worst", found_.worst_error}};
    for (const engine::TimedStep& o : profile_.operators) {
      report_["operators"].push_back({{"name", o.name},
                                      {"seconds", o.seconds},
                                      {"spread", o.spread},
                                      {"flops", o.cost.flops()}});
    }
  }

  // Measured and predicted times: by the profile, and by the catalogue if it knows the board.
  void steps() {
    Json rows = Json::array();
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const engine::TimedStep& step = profile_.steps[i];
      Json row = row_of(cases_[i], Metric::step_time, step.seconds, "s");
      row["spread"] = step.spread;
      row["by_profile"] = found_.steps[i].predicted;
      if (known_.machine) {
        const double predicted = platforms::predict(step.cost, *known_.machine).seconds;
        row["by_catalogue"] = predicted;
        by_catalogue_.push_back({step.name, step.seconds, predicted});
      }
      rows.push_back(std::move(row));
    }
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (!draws_[i] || *draws_[i] <= 0) continue;
      Json row = row_of(cases_[i], Metric::power, *draws_[i], "W");
      if (known_.machine) {
        row["by_catalogue"] = platforms::predict(profile_.steps[i].cost, *known_.machine).watts;
      }
      rows.push_back(std::move(row));
    }
    if (idle_w_ && *idle_w_ > 0) {
      Json row = {{"metric", name_of(Measurement::metrics, Metric::idle_power)},
                  {"value", *idle_w_},
                  {"unit", "W"}};
      if (known_.machine) row["by_catalogue"] = known_.machine->idle_w;
      rows.push_back(std::move(row));
    }
    report_["rows"] = std::move(rows);
  }

  void loopback() {
    say("a task over the loopback");
    loopback_ =
        loopback_task({.device = options_.config.device, .interrupted = options_.interrupted});
    check_interrupted();
    report_["loopback"] = json_of(loopback_);
  }

  [[nodiscard]] std::string summary() const {
    const auto or_unknown = [](const std::string& text) {
      return text.empty() ? std::string("not known") : text;
    };
    std::string text;
    const auto line = [&](const char* what, const std::string& value) {
      text += fmt::format("{:<13} {}\n", what, value);
    };
    line("Board", or_unknown(board_.model) +
                      (board_.module.empty() ? "" : fmt::format(" ({})", board_.module)));
    line("System", or_unknown(board_.system) +
                       (board_.l4t.empty() ? "" : ", Jetson Linux " + board_.l4t) +
                       (board_.jetpack.empty() ? "" : ", JetPack " + board_.jetpack));
    line("Power mode", or_unknown(board_.power_mode));
    line("Catalogue", known_.machine ? fmt::format("{}, {}", known_.device, known_.mode)
                                     : "not compared: " + known_.why_not);
    for (const std::string& missing : sensors_->missing()) line("No sensor", missing);
    if (idle_w_) line("At rest", fmt::format("{:.2f} W", *idle_w_));
    line("Steps",
         profile_failure_.empty()
             ? fmt::format("{} measured; its own profile predicts them with a median error "
                           "of {:.1f} %",
                           profile_.steps.size(), 100 * found_.median_error)
             : "failed: " + profile_failure_);
    if (!by_catalogue_.empty()) {
      line("", fmt::format("the catalogue with {:.1f} %, nine of ten within {:.1f} %",
                           100 * platforms::error_quantile(by_catalogue_, 0.5),
                           100 * platforms::error_quantile(by_catalogue_, 0.9)));
    }
    const LoopbackResult& l = loopback_;
    line("Loopback",
         l.failure.empty()
             ? fmt::format("a task of {} samples came back in {:.2f} s, {}", l.samples, l.task_s,
                           l.same_bits ? "with the same bits as without a network"
                                       : fmt::format("and differs by {:.2g} from the same without "
                                                     "a network",
                                                     l.largest_difference))
             : "failed: " + l.failure);
    return text;
  }

  const SelfTestOptions& options_;
  sensors::Board board_;
  Known known_;
  platforms::ProfileLabel label_;  // the same for all, so that it does not reveal the owner
  std::unique_ptr<sensors::Sensors> sensors_;
  Watch watch_;
  std::optional<double> idle_w_;
  std::vector<engine::ProfileCase> cases_;
  engine::Profile profile_;
  std::string profile_failure_;
  platforms::Calibration found_;
  std::vector<std::optional<double>> draws_;
  std::vector<platforms::Residual> by_catalogue_;
  LoopbackResult loopback_;
  Json report_;
};

}  // namespace

SelfTest self_test(const SelfTestOptions& options) { return Test(options).run(); }

}  // namespace convoy::hil
