#pragma once

// A sweep in progress, as the live view shows it: the report of its finished points, renewed when
// another one is finished, and how far the others are.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "analysis/live/subject.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::analysis {

// The state of a sweep at one moment. Points are counted once where several are equal.
struct SweepStatus {
  struct Running {
    std::size_t point = 0;  // in the order of the sweep's index
    double share = 0;       // of the way to its end, 0 to 1
  };
  std::size_t points = 0;
  std::size_t done = 0;
  std::size_t failed = 0;
  std::size_t stopped = 0;
  std::vector<Running> running;
  double wall_time_s = 0;
  std::optional<double> left_s;  // wall time to the end, estimated
};

class ShownSweep : public LiveSubject {
 public:
  // `with_stores`: points have stores, and one without is not done. `version`: Convoy's. The folder
  // needs an index only once `put` is called.
  ShownSweep(const std::filesystem::path& folder, bool with_stores, std::string version)
      : folder_(folder, with_stores), with_stores_(with_stores), version_(std::move(version)) {}

  // --- the sweep's side -------------------------------------------------------------------------

  void put(SweepStatus status);
  // A point has ended: the report is made anew.
  void point_ended() { ++changes_; }
  // The word for the end: done, failed or stopped. From here on there are no pages of points.
  void set_end(std::string word);

  // --- the server's side ------------------------------------------------------------------------

  [[nodiscard]] std::string kind() const override { return "sweep"; }
  [[nodiscard]] bool has_begun() const override { return begun_; }
  [[nodiscard]] std::unique_ptr<LiveFeed> feed(bool may_control) override;
  void ask_for_status() override {}  // put() is called often enough
  [[nodiscard]] LiveMessage now() const override;
  std::string pause(bool wanted) override;
  LiveMessage end() override;
  // "/point/3": the report of this finished point's run, if it has a store.
  std::optional<std::string> page(std::string_view path) override;
  [[nodiscard]] bool with_stores() const { return with_stores_; }

  // The report's data as text, and how many changes it contains. Made once for all viewers.
  struct Report {
    std::int64_t changes = -1;
    LiveMessage text;
  };
  Report report();

 private:
  [[nodiscard]] Json data() const;
  [[nodiscard]] Json status() const;

  sim::SweepFolder folder_;
  bool with_stores_;
  std::string version_;
  std::string end_;
  std::atomic<bool> over_ = false;
  std::atomic<bool> begun_ = false;
  std::atomic<std::int64_t> changes_ = 0;
  mutable std::mutex status_mutex_;
  SweepStatus status_;
  std::mutex report_mutex_;
  Report report_;
  std::map<std::string, std::string> pages_;  // of points, by hash; a few
};

}  // namespace convoy::analysis
