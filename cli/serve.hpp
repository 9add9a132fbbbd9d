#pragma once

// `convoy run --serve` and `convoy sweep --serve`: shows what is in progress in a browser.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "analysis/live/server.hpp"
#include "analysis/live/shown_run.hpp"
#include "analysis/live/shown_sweep.hpp"
#include "sim/run/run.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::cli {

// Shows `subject` at `address`: ADDRESS:PORT, with an IP address or localhost. Throws
// base::UserError if it is invalid or cannot be listened on. `subject` must outlive the server.
std::unique_ptr<analysis::LiveServer> serve(const std::string& address,
                                            analysis::LiveSubject& subject);

class LiveView {
 public:
  // `address`: see serve(). Throws base::UserError if it is invalid or cannot be listened on.
  LiveView(const std::string& address, const sim::Scenario& scenario,
           const sim::RunOptions& options);

  // Call at every instant of the run; blocks while the run is paused.
  void follow(const sim::Progress& progress);
  void run_is_over() { server_->is_over(); }
  [[nodiscard]] std::string url() const { return server_->url(); }

 private:
  void put(const sim::Progress& progress, bool at_rest);

  analysis::LiveState state_;
  analysis::ShownRun run_;
  std::size_t nodes_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::unique_ptr<analysis::LiveServer> server_;
};

// Of a sweep; does nothing if `address` is "".
class LiveSweepView {
 public:
  // `folder` and `with_stores`: see analysis::ShownSweep. Throws base::UserError if the address is
  // invalid or cannot be listened on.
  LiveSweepView(const std::string& address, const std::filesystem::path& folder, bool with_stores);

  // True a few times a second.
  [[nodiscard]] bool wants_status();
  void follow(analysis::SweepStatus status) { sweep_.put(std::move(status)); }
  void point_ended() { sweep_.point_ended(); }
  // `status`: done, failed or stopped.
  void is_over(const std::string& status);

 private:
  analysis::ShownSweep sweep_;
  std::chrono::steady_clock::time_point next_;
  std::unique_ptr<analysis::LiveServer> server_;
};

}  // namespace convoy::cli
