#include "analysis/live/shown_sweep.hpp"

#include <charconv>

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
      messages.push_back(live_message(
          {{"type", "sweep"}, {"may_control", control_}, {"with_stores", sweep_.with_stores()}}));
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
    report_ = {changes, live_message({{"type", "report"}, {"data", data()}})};
  }
  return report_;
}

Json ShownSweep::data() const {
  ReportInput input;
  input.sweeps = {folder_.path().string()};
  input.with_stores = with_stores_;
  input.version = version_;
  return report_data(input);
}

Json ShownSweep::status() const {
  const std::lock_guard lock(status_mutex_);
  Json running = {{"point", Json::array()}, {"share", Json::array()}};
  for (const SweepStatus::Running& point : status_.running) {
    running["point"].push_back(point.point);
    running["share"].push_back(point.share);
  }
  return {{"type", "now"},
          {"points", status_.points},
          {"done", status_.done},
          {"failed", status_.failed},
          {"stopped", status_.stopped},
          {"running", std::move(running)},
          {"wall_time_s", status_.wall_time_s},
          {"left_s", optional_json(status_.left_s)}};
}

LiveMessage ShownSweep::now() const { return live_message(status()); }

void ShownSweep::set_end(std::string word) {
  end_ = std::move(word);
  over_ = true;
}

std::string ShownSweep::pause(bool /*wanted*/) {
  return "a sweep cannot be paused; stop it, and continue with the same command";
}

LiveMessage ShownSweep::end() {
  return live_message({{"type", "end"}, {"status", end_}, {"now", status()}, {"data", data()}});
}

std::optional<std::string> ShownSweep::page(std::string_view path) {
  constexpr std::string_view before = "/point/";
  if (!path.starts_with(before) || over_ || !with_stores_) return std::nullopt;
  path.remove_prefix(before.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  const sim::SweepIndex index = folder_.index();
  if (number >= index.points.size()) return std::nullopt;
  const std::string& hash = index.points[number].hash;
  if (!folder_.summary(hash)) return std::nullopt;
  constexpr std::size_t most_kept = 8;
  if (pages_.size() >= most_kept && !pages_.contains(hash)) pages_.clear();
  std::string& page = pages_[hash];
  if (page.empty()) {
    ReportInput input;
    input.runs = {folder_.of(hash).string()};
    input.version = version_;
    page = report_html(input);
  }
  return page;
}

}  // namespace convoy::analysis
