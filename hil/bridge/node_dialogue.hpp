#pragma once

// The protocol state of one real node: orders, messages sent, answers received, in the order given
// by hil/protocol/README.md. Has no sockets, threads or clocks, so that tests can break the
// connection at every point. Internal to hil/bridge.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/engine.hpp"
#include "hil/protocol/messages.hpp"
#include "sim/task/split_task.hpp"
#include "sim/world/config.hpp"
#include "sim/world/real.hpp"

namespace convoy::hil {

class NodeDialogue {
 public:
  using Task = sim::TaskId;

  // Sends to the agent. Called only while the agent is connected and ready.
  class Agent {
   public:
    virtual ~Agent() = default;
    // Sends an assignment and the parcel with the weights that the task starts from.
    virtual void assign(const engine::TaskInput& input, std::int32_t attempt) = 0;
    virtual void begin(const wire::BeginT& begin) = 0;
    // Sends the artifact of a split task that crosses to the node next.
    virtual void cross(Task /*task*/, std::int32_t /*attempt*/, int /*artifact*/) {}
    virtual void cancel(Task task, std::int32_t attempt) = 0;
    virtual void kept(Task task, std::int32_t attempt) = 0;
  };
  // Reports to the run, by the elastic clock.
  class Reports {
   public:
    virtual ~Reports() = default;
    virtual void started(sim::ElasticClock::Id id, sim::WallTime stamp,
                         sim::WallSeconds allowance) = 0;
    virtual void stopped(sim::ElasticClock::Id id, sim::WallTime stamp) = 0;
    virtual void ended(sim::ElasticClock::Id id, sim::WallTime stamp) = 0;
    virtual void ended_after(sim::ElasticClock::Id id, sim::WallSeconds duration) = 0;
    virtual void failed(sim::ElasticClock::Id id, sim::Cause cause, const std::string& why) = 0;
  };

  NodeDialogue(const sim::RealNode& options, Agent& agent, Reports& reports);

  // --- from the run -----------------------------------------------------------------------------

  // Adds a task with its input; its activities follow. `split`: of a split task, whose server's
  // part this process computes. Stamps and `now`: this machine's clock.
  void add(const engine::TaskInput& input, std::shared_ptr<const sim::TaskGraph> graph,
           std::shared_ptr<const sim::SplitTask> split = nullptr);
  void begin(const sim::RealActivity& activity, sim::WallTime now);
  void give_up(Task task, sim::WallTime now);
  // The node is lost: drops all its tasks and gives their ids.
  std::vector<Task> clear();
  // The run has taken the task's update, which counts now: the agent may forget it, and is told so,
  // now or at the next connection. The update may have come to an earlier process of the run.
  void taken(Task task);

  // --- from the connection ----------------------------------------------------------------------

  // A new connection; `known`: the agent's tasks of this run. `restarted`: the agent's process is
  // new. False: work under way is lost, and the node should count as lost.
  [[nodiscard]] bool connected(const std::vector<wire::KnownTaskT>& known, bool restarted);
  // The agent is set up: acknowledges an update that it still keeps although the run has taken it,
  // and sends all orders that it has not received.
  void ready(sim::WallTime now);
  void disconnected();

  // `artifact`: that crossed to the node; -1: what the task starts from.
  void received(Task task, std::int32_t attempt, sim::WallTime stamp, int artifact = -1);
  // `allowance`: how late the agent's messages may be.
  void began(const wire::Began& began, sim::WallTime stamp, sim::WallSeconds allowance);
  void ended(const wire::Ended& ended, sim::WallTime stamp);
  // activity -1: any activity under way.
  void failed(Task task, std::int32_t attempt, int activity, int iteration, sim::Cause cause,
              const std::string& why);
  void cancelled(Task task, std::int32_t attempt, sim::WallTime now);

  // The agent offers an update. Gives its task's input; nothing if the update is not wanted (now).
  [[nodiscard]] std::optional<engine::TaskInput> offered(Task task, std::int32_t attempt);
  // The agent offers an artifact of a split task. Gives the activity that sends it and its task's
  // input; nothing: it is not wanted (now), or came already.
  struct Wanted {
    int activity = 0;
    engine::TaskInput input;
  };
  [[nodiscard]] std::optional<Wanted> crosses(Task task, std::int32_t attempt, int artifact);
  // Another pass of the task follows; its update will replace the offered one.
  [[nodiscard]] bool goes_on(Task task) const;
  // The whole update, or artifact, is received; it is not requested again.
  void arrived(Task task, std::int32_t attempt, sim::WallTime stamp);
  // The update is checked and saved; or the server has computed all that follows from the artifact.
  // False: it is no longer wanted.
  bool filed(Task task, std::int32_t attempt, sim::WallTime stamp);

  // --- watching ---------------------------------------------------------------------------------

  // `moved`: bytes have moved on the connection since the last call.
  void watch(sim::WallTime now, bool moved);
  // The longest time that a cancelled task has been draining.
  [[nodiscard]] sim::WallSeconds draining(sim::WallTime now) const;

  [[nodiscard]] bool knows(Task task) const { return tasks_.contains(task); }
  [[nodiscard]] bool empty() const { return tasks_.empty(); }

 private:
  enum class Kind { download, compute, upload, crossing };  // crossing: to the node
  struct Command {
    sim::ElasticClock::Id id = 0;
    Kind kind = Kind::compute;
    wire::BeginT begin;
    double predicted_s = 0;
    sim::WallTime since;  // time of the order
    bool sent = false;    // over the present connection
    bool began = false;
    int connection = 0;      // number of the connection under which it began
    bool arrived = false;    // upload: received completely
    bool taking = false;     // upload: being received over the present connection
    bool ends_task = false;  // upload: the node's last
  };
  using Key = std::pair<int, int>;  // activity, iteration
  struct Open {
    engine::TaskInput input;
    std::shared_ptr<const sim::TaskGraph> graph;
    std::shared_ptr<const sim::SplitTask> split;  // null: the node computes all
    bool begun = false;                           // by this process
    std::int32_t attempt = 1;
    bool assigned = false;            // ever, by this process
    bool fresh = false;               // may be assigned: no activity has begun
    bool told = false;                // the agent knows the task
    bool has_input = false;           // the agent has the task's weights
    sim::WallTime heard;              // last sign of progress
    std::map<Key, Command> commands;  // commands that have not ended
    // Why the task failed. The run may learn it with a later activity: the failed one may have had
    // a modelled end that has passed already.
    std::optional<std::pair<sim::Cause, std::string>> failure;
  };

  struct Update {
    Task task = sim::no_task;
    std::optional<std::int32_t> attempt;  // nothing: it came to an earlier process
  };

  Open* find(Task task, std::int32_t attempt);
  void acknowledge_again();
  static bool is_all_here(const Open& open);
  static bool needs_no_agent(const Open& open);
  void describe(const Open& open, const sim::RealActivity& activity, Command& command);
  static bool recognize(Open& open, const std::vector<wire::KnownTaskT>& known);
  void send(sim::WallTime now);
  void end_downloads(Open& open, sim::WallTime stamp);
  void end_crossings(Open& open, sim::WallTime stamp);
  void fail(Open& open, Key key, sim::Cause cause, const std::string& why);
  [[nodiscard]] sim::WallSeconds deadline(const Command& command) const;
  static bool is_last(const Open& open, const sim::RealActivity& activity);

  sim::RealNode options_;
  Agent& agent_;
  Reports& reports_;
  std::map<Task, Open> tasks_;
  std::vector<wire::KnownTaskT> known_;
  // Cancelled, but the agent has not confirmed; value: time of the cancellation.
  std::map<std::pair<Task, std::int32_t>, sim::WallTime> draining_;
  Update filed_;  // the last that came in
  // The last that was taken. Its acknowledgement may be lost with its connection, so it is repeated
  // whenever the agent says that it keeps the result. One is enough: an agent forgets a task,
  // acknowledged or not, when it is given the next.
  Update taken_;
  bool ready_ = false;
  int connections_ = 0;
};

}  // namespace convoy::hil
