#pragma once

// What one real node is to do, has been told, and has answered: the order of things of
// hil/protocol/README.md, without sockets, threads or clocks, so that every way in which a
// connection can break is a test. Internal to hil/bridge.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/engine.hpp"
#include "hil/protocol/messages.hpp"
#include "sim/world/config.hpp"
#include "sim/world/real.hpp"

namespace convoy::hil {

class NodeDialogue {
 public:
  using Task = sim::TaskId;

  // To the agent. Only called while it is connected and ready.
  class Agent {
   public:
    virtual ~Agent() = default;
    // An assignment, and the parcel of what the task starts from.
    virtual void assign(const engine::TaskInput& input, std::int32_t attempt) = 0;
    virtual void begin(const wire::BeginT& begin) = 0;
    virtual void cancel(Task task, std::int32_t attempt) = 0;
    virtual void kept(Task task, std::int32_t attempt) = 0;
  };
  // To the run: the reports of the elastic clock.
  class Reports {
   public:
    virtual ~Reports() = default;
    virtual void started(sim::ElasticClock::Id id, double stamp, double allowance) = 0;
    virtual void stopped(sim::ElasticClock::Id id, double stamp) = 0;
    virtual void ended(sim::ElasticClock::Id id, double stamp) = 0;
    virtual void ended_after(sim::ElasticClock::Id id, double seconds) = 0;
    virtual void failed(sim::ElasticClock::Id id, sim::Cause cause, const std::string& why) = 0;
  };

  NodeDialogue(const sim::RealNode& options, Agent& agent, Reports& reports);

  // --- from the run -----------------------------------------------------------------------------

  // What a task starts from; its activities follow. All stamps are of this machine's steady clock.
  void add(const engine::TaskInput& input, std::shared_ptr<const sim::TaskGraph> graph);
  void begin(const sim::RealActivity& activity, double now);
  void give_up(Task task, double now);
  // The node is lost: all that it was to do is over. Gives the tasks.
  std::vector<Task> clear();

  // --- from the connection ----------------------------------------------------------------------

  // A new connection, with what the agent says it knows of this run. `restarted`: its process is
  // another one. False: work that was under way is gone, and the node should count as lost.
  [[nodiscard]] bool connected(const std::vector<wire::KnownTaskT>& known, bool restarted);
  // It is set up: whatever it has not been told goes out.
  void ready(double now);
  void disconnected();

  void received(Task task, std::int32_t attempt, double stamp);
  // `ago`: since it began, by its clock. `allowance`: by how much its notices may be late.
  void began(const wire::Began& began, double stamp, double allowance);
  void ended(const wire::Ended& ended, double stamp);
  // An activity of -1: whichever is under way.
  void failed(Task task, std::int32_t attempt, int activity, int iteration, sim::Cause cause,
              const std::string& why);
  void cancelled(Task task, std::int32_t attempt, double now);

  // An update is offered: what it is the result of; nothing where it is not wanted (now).
  [[nodiscard]] std::optional<engine::TaskInput> offered(Task task, std::int32_t attempt);
  // Another pass of the task follows, whose update takes the place of the one that was offered.
  [[nodiscard]] bool goes_on(Task task) const;
  // All of it is there: nothing of it is asked for again.
  void arrived(Task task, std::int32_t attempt, double stamp);
  // It is checked and safe. False: it is not wanted any more.
  bool filed(Task task, std::int32_t attempt, double stamp);

  // --- watching ---------------------------------------------------------------------------------

  // Something moved on the connection since the last look.
  void watch(double now, bool moved);
  // The longest that it has been draining, s.
  [[nodiscard]] double draining_s(double now) const;

  [[nodiscard]] bool knows(Task task) const { return tasks_.contains(task); }
  [[nodiscard]] bool empty() const { return tasks_.empty(); }

 private:
  enum class Kind { download, compute, upload };
  struct Command {
    sim::ElasticClock::Id id = 0;
    Kind kind = Kind::compute;
    wire::BeginT begin;
    double predicted_s = 0;
    double since = 0;   // when it was given to us
    bool sent = false;  // on this connection
    bool began = false;
    int connection = 0;    // under which it began
    bool arrived = false;  // upload: all of it is here
    bool taking = false;   // upload: it is coming, on this connection
  };
  using Key = std::pair<int, int>;  // activity, iteration
  struct Open {
    engine::TaskInput input;
    std::shared_ptr<const sim::TaskGraph> graph;
    std::int32_t attempt = 1;
    bool assigned = false;            // ever, by us
    bool fresh = false;               // it may be assigned: nothing of it has begun to be computed
    bool told = false;                // the agent knows it
    bool has_input = false;           // and has what it starts from
    double heard = 0;                 // when something moved last
    std::map<Key, Command> commands;  // that have not ended
    // Why nothing more comes of it. The run may hear of it by a later activity than the one that
    // failed, whose time was the model's and has passed.
    std::optional<std::pair<sim::Cause, std::string>> failure;
  };

  Open* find(Task task, std::int32_t attempt);
  static bool recognize(Open& open, const std::vector<wire::KnownTaskT>& known);
  void send(double now);
  void end_downloads(Open& open, double stamp);
  void fail(Open& open, Key key, sim::Cause cause, const std::string& why);
  [[nodiscard]] double deadline(const Command& command) const;
  static bool is_last(const Open& open, const sim::RealActivity& activity);

  sim::RealNode options_;
  Agent& agent_;
  Reports& reports_;
  std::map<Task, Open> tasks_;
  std::vector<wire::KnownTaskT> known_;
  // Given up, and not yet let go by the agent; since when.
  std::map<std::pair<Task, std::int32_t>, double> draining_;
  bool ready_ = false;
  int connections_ = 0;
};

}  // namespace convoy::hil
