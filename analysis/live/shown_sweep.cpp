#include "analysis/live/shown_sweep.hpp"

#include <charconv>
#include <filesystem>

#include "analysis/report/report.hpp"

namespace convoy::analysis {
namespace {

class SweepFeed : public LiveFeed {
 public:
  SweepFeed(ShownSweep& sweep, bool may_control) : sweep_(sweep), control_(may_control) {}

  std::vector<LiveMessage> news() override {
    const ShownSweep::Report report = sweep_.report();
    if (report.changes == told_) return {};
    std::vector<LiveMessage> messages;
    if (told_ < 0) {
      messages.push_back(live_message({{"type", "sweep"}, {"may_control", control_}}));
    }
    told_ = report.changes;
    messages.push_back(report.text);
    return messages;
  }

 private:
  ShownSweep& sweep_;
  bool control_;
  std::int64_t told_ = -1;
};

}  // namespace

std::unique_ptr<LiveFeed> ShownSweep::feed(bool may_control) {
  return std::make_unique<SweepFeed>(*this, may_control);
}

void ShownSweep::put(SweepStatus status) {
  const std::lock_guard lock(status_mutex_);
  status_ = std::move(status);
  begun_ = true;
}

ShownSweep::Report ShownSweep::report() {
  const std::lock_guard lock(report_mutex_);
  const std::int64_t changes = changes_;  // before reading: what ends meanwhile is told next time
  if (report_.changes != changes) {
    ReportInput input;
    input.sweeps = {folder_.path().string()};
    input.version = version_;
    report_ = {changes, live_message({{"type", "report"}, {"data", report_data(input)}})};
  }
  return report_;
}

LiveMessage ShownSweep::now() const {
  const std::lock_guard lock(status_mutex_);
  Json running = {{"point", Json::array()}, {"share", Json::array()}};
  for (const SweepStatus::Running& point : status_.running) {
    running["point"].push_back(point.point);
    running["share"].push_back(point.share);
  }
  return live_message({{"type", "now"},
                       {"points", status_.points},
                       {"done", status_.done},
                       {"failed", status_.failed},
                       {"stopped", status_.stopped},
                       {"running", std::move(running)},
                       {"wall_time_s", status_.wall_time_s},
                       {"left_s", optional_json(status_.left_s)}});
}

std::string ShownSweep::pause(bool /*wanted*/) {
  return "a sweep cannot be paused; stop it, and continue with the same command";
}

LiveMessage ShownSweep::end() {
  ReportInput input;
  input.sweeps = {folder_.path().string()};
  input.version = version_;
  return live_message({{"type", "end"}, {"status", end_}, {"data", report_data(input)}});
}

std::optional<std::string> ShownSweep::page(std::string_view path) {
  constexpr std::string_view before = "/point/";
  if (!path.starts_with(before)) return std::nullopt;
  path.remove_prefix(before.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  const sim::SweepIndex index = folder_.index();
  if (number >= index.points.size()) return std::nullopt;
  const std::string& hash = index.points[number].hash;
  const std::filesystem::path run = folder_.of(hash);
  if (!folder_.summary(hash) || !std::filesystem::exists(run / "run.sqlite")) return std::nullopt;
  ReportInput input;
  input.runs = {run.string()};
  input.version = version_;
  return report_html(input);
}

}  // namespace convoy::analysis
