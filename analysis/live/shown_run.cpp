#include "analysis/live/shown_run.hpp"

#include "analysis/report/data.hpp"

namespace convoy::analysis {
namespace {

class RunFeed : public LiveFeed {
 public:
  RunFeed(const std::filesystem::path& folder, bool may_control, bool pausable)
      : tail_(folder, limits), run_(folder.string()), control_(may_control), pausable_(pausable) {}

  std::vector<LiveMessage> news() override {
    RunTables rows = tail_.next();
    if (!told_) {
      told_ = true;
      return {live_message({{"type", "run"},
                            {"run", run_.first(std::move(rows))},
                            {"may_control", control_},
                            {"pausable", pausable_}})};
    }
    const Json more = run_.next(std::move(rows), tail_.is_complete());
    if (more.is_null()) return {};
    return {live_message(more)};
  }

 private:
  // As many rows as a page draws easily; the rest follows at the end.
  static constexpr TailLimits limits{50'000, 50'000};
  StoreTail tail_;
  LiveRun run_;
  bool control_;
  bool pausable_;
  bool told_ = false;
};

}  // namespace

std::unique_ptr<LiveFeed> ShownRun::feed(bool may_control) {
  return std::make_unique<RunFeed>(folder_, may_control, pausable_);
}

LiveMessage ShownRun::now() const {
  const LiveStatus s = state_.status();
  Json nodes = {{"node", Json::array()},
                {"label", Json::array()},
                {"since_s", Json::array()},
                {"away", Json::array()}};
  for (const LiveStatus::Node& node : s.nodes) {
    nodes["node"].push_back(node.node);
    nodes["label"].push_back(node.label);
    nodes["since_s"].push_back(node.since_s);
    nodes["away"].push_back(node.away);
  }
  return live_message({{"type", "now"},
                       {"virtual_time_s", s.virtual_time_s},
                       {"wall_time_s", s.wall_time_s},
                       {"lag_ms", optional_json(s.lag_ms)},
                       {"share", s.share},
                       {"rounds", s.rounds},
                       {"tasks", s.tasks},
                       {"tasks_failed", s.tasks_failed},
                       {"accuracy", optional_json(s.accuracy)},
                       {"paused", state_.is_paused()},
                       {"at_rest", state_.is_paused() && s.at_rest},
                       {"nodes", std::move(nodes)}});
}

std::string ShownRun::pause(bool wanted) {
  if (!pausable_) return "real devices take part, and they do not wait";
  state_.set_paused(wanted);
  return "";
}

LiveMessage ShownRun::end() {
  return live_message({{"type", "end"}, {"run", run_json(read_tables(folder_), folder_.string())}});
}

}  // namespace convoy::analysis
